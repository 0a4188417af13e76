"""The list of devices: what is searched and filtered, which columns it shows, the views that people keep, and its export."""
