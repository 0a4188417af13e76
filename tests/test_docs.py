"""What the documentation and docker/ say is so: names, links, commands, files."""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.x509.oid import NameOID
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from mdm.celery import app
from mdm.events.kinds import KINDS
from mdm.management.commands.run_pomona import processes
from tests.fakes.authority import Authority

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
PACKAGES = ("mdm", "api", "enrollment", "devices", "apps_catalog", "tests")
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = sorted(
    [*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in TOP), *(ROOT / p / "README.md" for p in PACKAGES)]
)
DJANGO_COMMANDS = {"migrate", "check", "createsuperuser", "changepassword"}
# Used by compose.yml and the image themselves.
CONTAINER_NAMES = {"POSTGRES_PASSWORD", "WEB_PROCESSES", "WORKER_PROCESSES"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def named_in_first_cells(text: str) -> list[str]:
    """What stands in backticks in the first cell of each row."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


def code_of(text: str) -> str:
    """Fenced blocks and inline code, each on lines of its own."""
    fenced = re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*fenced, *inline])


def settings_read() -> set[str]:
    """Names given to env.…("NAME") in mdm/settings.py."""
    tree = ast.parse((ROOT / "mdm/settings.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def own_commands() -> set[str]:
    tops = ("mdm", "devices", "enrollment", "apps_catalog", "api")
    return {name for name, package in get_commands().items() if isinstance(package, str) and package.startswith(tops)}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


# --- names ------------------------------------------------------------------------------------------------------------
def test_every_setting_is_described_and_no_other() -> None:
    described = named_in_first_cells(docs("settings.md"))
    assert sorted(described) == sorted(settings_read())


def test_every_event_is_listed_with_its_sentence_and_no_other() -> None:
    text = docs("events.md")
    listed = {row[0].strip("`"): row[1] for row in rows(text.split("\n## ", 1)[1]) if row[0].startswith("`")}
    assert listed == KINDS


def test_every_command_of_ours_is_described_and_no_other() -> None:
    others = ("make ", "/", "pomona_")
    names = named_in_first_cells(docs("commands.md"))
    described = {name.split()[0] for name in names if not name.startswith(others)}
    assert described == own_commands() | DJANGO_COMMANDS


def test_every_option_in_the_table_of_commands_exists() -> None:
    for name in named_in_first_cells(docs("commands.md")):
        command, *rest = name.split()
        if command in own_commands():
            parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
            known = {option for action in parser._actions for option in action.option_strings}
            assert set(re.findall(r"--[a-z-]+", " ".join(rest))) <= known, name


def test_every_option_of_virtual_devices_is_described() -> None:
    parser = load_command_class(get_commands()["simulate_devices"], "simulate_devices").create_parser("manage.py", "x")
    django = {
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
        "--verbosity",
        "--version",
        "--help",
    }
    known = {o for a in parser._actions for o in a.option_strings if o.startswith("--")} - django
    text = docs("virtual-devices.md")
    assert {option for option in known if option not in text} == set()


def test_every_make_target_is_described_and_no_other() -> None:
    described = {name.split()[1] for name in named_in_first_cells(docs("commands.md")) if name.startswith("make ")}
    assert described == make_targets()


def test_everything_on_the_schedule_is_described() -> None:
    """A row for each: the words may differ, their number may not."""
    section = docs("commands.md").split("## What runs by itself")[1].split("\n## ")[0]
    assert len(list(rows(section))) - 2 == len(app.conf.beat_schedule)


def test_every_figure_for_prometheus_is_described_and_no_other() -> None:
    described = {name for name in named_in_first_cells(docs("commands.md")) if name.startswith("pomona_")}
    assert described == set(re.findall(r'"(pomona_[a-z_]+)"', (ROOT / "mdm/metrics.py").read_text()))


def test_every_route_of_the_api_is_listed_and_no_other() -> None:
    listed = {re.sub(r"\{[a-z]+\}", "{}", path) for path in re.findall(r"`(/api/v1/[^`]*)`", docs("api.md"))}
    assert listed == {f"/{path}" for path in _paths(get_resolver().url_patterns) if path.startswith("api/v1/")}


def _paths(patterns: list, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = before + re.sub(r"<[^>]+>", "{}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _paths(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path


# --- pages ------------------------------------------------------------------------------------------------------------
@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file.read_text())):
            missing.append(target)
    assert missing == []


def _anchors(text: str) -> set[str]:
    """As code hosts make them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_command_that_is_named_exists(page: Path) -> None:
    code = code_of(page.read_text())
    used = set(re.findall(r"manage\.py ([a-z_]+)", code)) | set(
        re.findall(r"compose run .*?(?:web|worker) ([a-z_]+)", code)
    )
    assert used <= own_commands() | DJANGO_COMMANDS | {"help"}
    assert set(re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z-]+)", code, re.MULTILINE)) <= make_targets()


@each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    """Paths in backticks below a directory of the repository, as seen from the root or from the page."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"var"}
    made_by_the_reader = {"docker/.env", "docker/tls/fullchain.pem", "docker/tls/privkey.pem"}
    missing = []
    for name in re.findall(r"`([\w./-]+/[\w./-]*)`", text):
        if name.split("/")[0] in tops and name not in made_by_the_reader and not (ROOT / name).exists():
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "tests"])
def test_every_file_in_a_packages_readme_exists(package: str) -> None:
    folder = ROOT / package
    names = [name for name in named_in_first_cells((folder / "README.md").read_text()) if "<" not in name]
    assert [name for name in names if not (folder / name).exists()] == []


@each_page
def test_shell_examples_are_shell(page: Path) -> None:
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        done = subprocess.run(
            ["bash", "-n"], input=block.replace("…", "x"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stderr}\n{block}"


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", docs("README.md")))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
    assert _compose()["services"]["web"]["image"] == f"pomona:{version}"


# --- docker/ ----------------------------------------------------------------------------------------------------------
def _compose() -> dict:
    return yaml.safe_load((DOCKER / "compose.yml").read_text())


def test_the_example_of_settings_names_only_what_is_read() -> None:
    names = re.findall(r"^#?([A-Z][A-Z_]+)=", (DOCKER / "env.example").read_text(), re.MULTILINE)
    assert set(names) <= settings_read() | CONTAINER_NAMES
    assert len(names) == len(set(names))


def test_the_compose_file_gives_only_settings_that_are_read_and_explains_what_is_missing() -> None:
    text = (DOCKER / "compose.yml").read_text()
    assert set(_compose()["x-pomona"]["environment"]) <= settings_read()
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    needed = set(re.findall(r"^([A-Z_]+)=", (DOCKER / "env.example").read_text(), re.MULTILINE))
    assert wanted == needed


def test_the_services_have_roles_files_and_volumes_that_exist() -> None:
    compose = _compose()
    entrypoint = (DOCKER / "entrypoint.sh").read_text()
    roles = set(re.findall(r"^    ([a-z]+)\)$", entrypoint, re.MULTILINE))
    assert set(compose["services"]) == {"migrate", "web", "worker", "beat", "postgres", "redis", "proxy"}
    for name, service in compose["services"].items():
        if service["image"].startswith("pomona"):
            assert service["command"] == name
            assert name in roles
        for other in service.get("depends_on", {}):
            assert other in compose["services"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or source == "./tls" or (DOCKER / source).exists(), volume
    assert (DOCKER / compose["x-pomona"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / compose["x-pomona"]["build"]["dockerfile"]).exists()


def test_the_trusted_proxies_are_the_network_of_the_services() -> None:
    compose = _compose()
    subnet = compose["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert compose["x-pomona"]["environment"]["TRUSTED_PROXIES"] == f"${{TRUSTED_PROXIES:-{subnet}}}"


@pytest.mark.parametrize("script", ["docker/entrypoint.sh", ".ci/run"])
def test_scripts_are_shell_and_can_be_run(script: str) -> None:
    file = ROOT / script
    shell = "sh" if file.read_text().startswith("#!/bin/sh") else "bash"
    assert subprocess.run([shell, "-n", str(file)], check=False).returncode == 0
    assert file.stat().st_mode & 0o111


@pytest.mark.parametrize("role", ["web", "worker", "beat"])
def test_a_container_starts_what_make_run_starts(role: str, settings: Settings) -> None:
    settings.DATABASE_URL = "postgres://example"
    script = (DOCKER / "entrypoint.sh").read_text().replace("\\\n", " ")
    line = re.search(rf"^    {role}\)\n.*?exec (.*?)$", script, re.MULTILINE | re.DOTALL)[1]
    assert _without_own_values(shlex.split(line)[1:]) == _without_own_values(processes()[role][1:])


def _without_own_values(words: list[str]) -> list[str]:
    """A container chooses address and number of processes by itself."""
    own = {"--host", "--port", "--workers", "--concurrency"}
    return [word for before, word in zip(["", *words], words, strict=False) if before not in own]


def test_separate_containers_ask_for_their_servers() -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), "web"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "DATABASE_URL" in done.stderr


def test_the_image_is_made_of_files_that_exist_and_are_sent_to_the_builder() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    copied = [
        source
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for source in [word for word in line.split()[1:] if not word.startswith("--")][:-1]
    ]
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    assert [name for name in copied if not (ROOT / name).exists() or f"!{name}" not in ignore] == []
    assert {line[1:] for line in ignore if line.startswith("!")} == set(copied)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(copied)


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    """As it is, and with client certificates switched on."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    certificate, key = Authority("Test CA").issue([(NameOID.COMMON_NAME, "localhost")], days=30, server=True)
    (tmp_path / "fullchain.pem").write_bytes(certificate)
    (tmp_path / "privkey.pem").write_bytes(key)
    text = (DOCKER / "nginx.conf").read_text()
    text = text.replace("/etc/nginx/tls", str(tmp_path)).replace("server web:8000", "server 127.0.0.1:8000")
    for number, variant in enumerate((text, text.replace("#ssl_verify_client", "ssl_verify_client"))):
        file = tmp_path / f"nginx{number}.conf"
        file.write_text(variant)
        directives = f"pid {tmp_path}/nginx.pid;"
        done = subprocess.run(
            [nginx, "-t", "-c", file, "-p", tmp_path, "-g", directives], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_nginx_logs_no_address_that_opens_something() -> None:
    text = (DOCKER / "nginx.conf").read_text()
    masks = re.findall(r"^ +~(\^\S+) (/\S+…);$", text, re.MULTILINE)
    secret = "s3cret-T0ken"
    links = (
        "apps/files/{}",
        "mdm/agent/package/{}",
        "invitation/{}/",
        "invitation/{}/accept/",
        "sign-in/new-password/{}/",
    )
    for path in (f"/{link.format(secret)}" for link in links):
        assert [shown for pattern, shown in masks if re.match(pattern, path)], path


def test_nginx_lets_long_scep_requests_and_large_answers_through() -> None:
    text = (DOCKER / "nginx.conf").read_text()
    size = int(re.search(r"large_client_header_buffers \d+ (\d+)k;", text)[1])
    assert size >= 16
    assert int(re.search(r"client_max_body_size (\d+)m;", text)[1]) >= 12
    assert "proxy_set_header X-Client-Cert $ssl_client_escaped_cert;" in text
