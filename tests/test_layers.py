"""Imports point down: a package may use those below it and never those above. The message names the line."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Bottom to top. A package may import itself and whatever stands in a lower row.
ROWS = [
    ("mdm.common",),
    ("mdm.protocol", "mdm.virtual"),
    ("mdm.accounts",),
    ("mdm.events",),
    ("mdm.sign_in",),
    ("mdm.running",),
    ("mdm.channels",),
    ("mdm.push",),
    ("mdm.commands",),
    ("devices",),
    ("apps_catalog",),
    ("enrollment",),
    ("api", "mdm.endpoints"),
]
LEVEL = {package: level for level, row in enumerate(ROWS) for package in row}
# Wiring: may import anything, and nobody imports it. The Celery app is named by string or shared_task only.
WIRING = {
    "mdm", "mdm.settings", "mdm.celery", "mdm.urls", "mdm.device_urls", "mdm.edge", "mdm.wsgi", "mdm.health", "mdm.apps",
    "mdm.admin_site", "mdm.admin_settings", "mdm.checks", "mdm.embedded_keys", "mdm.metrics", "mdm.admin_home",
    "mdm.admin_status",
}  # fmt: skip
ADMIN_BASE = {"mdm.admin_site"}
DJANGO_FREE = ("mdm.protocol",)


def modules() -> dict[str, Path]:
    found = {}
    for top in ("mdm", "api", "devices", "apps_catalog", "enrollment"):
        for path in (ROOT / top).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if ".migrations" not in name:
                found[name] = path
    return found


def package_of(module: str) -> str | None:
    return max((p for p in LEVEL if module == p or module.startswith(p + ".")), key=len, default=None)


def imports(path: Path, module: str):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def is_admin(module: str) -> bool:
    return ".admin" in module or module.endswith("admin_base")


def upward_imports() -> list[str]:
    faults = []
    for module, path in modules().items():
        own = package_of(module)
        if own is None:
            continue
        for line, imported in imports(path, module):
            other = package_of(imported)
            where = f"{path.relative_to(ROOT)}:{line}"
            if other is None:
                top = imported.split(".")[0]
                wiring = next((w for w in WIRING if w != "mdm" and imported.startswith(w)), None)
                if top == "mdm" and wiring and not (is_admin(module) and wiring in ADMIN_BASE):
                    faults.append(f"{where}: {module} imports the wiring {imported}")
            elif other == "mdm.events" and is_admin(module):
                continue  # accounts stand below events: what people change there is logged by its admin
            elif other != own and LEVEL[other] >= LEVEL[own]:
                faults.append(f"{where}: {module} imports {imported}, which stands above it")
            elif is_admin(imported) and not is_admin(module):
                faults.append(f"{where}: {module} imports an admin module, {imported}")
    return faults


def test_imports_point_down() -> None:
    assert upward_imports() == []


def test_an_upward_import_would_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from devices.models import Device\n")
    monkeypatch.setattr("tests.test_layers.modules", lambda: {"mdm.commands.bad": bad})
    monkeypatch.setattr("tests.test_layers.ROOT", tmp_path)
    assert upward_imports() == ["bad.py:1: mdm.commands.bad imports devices.models.Device, which stands above it"]


@pytest.mark.parametrize("package", DJANGO_FREE)
def test_the_protocol_knows_no_django(package: str) -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {imported}"
        for module, path in modules().items()
        if module.startswith(package)
        for line, imported in imports(path, module)
        if imported.split(".")[0] in ("django", "rest_framework", "celery")
    ]
    assert faults == []


def test_only_the_api_imports_rest_framework() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}"
        for module, path in modules().items()
        if not module.startswith("api")
        for line, imported in imports(path, module)
        if imported.startswith("rest_framework")
    ]
    assert faults == []
