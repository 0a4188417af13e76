"""What devices answer, read into the inventory: one module per subject, called through `mdm/endpoints/results.py`.

Each `apply(device, answer, command)` may run twice with the same answer and must not mind.
"""
