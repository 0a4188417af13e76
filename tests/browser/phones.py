"""Hundreds of phones that connect when they are woken, do as they are told and say so. `tests.browser.demo` wrote their keys."""

import base64
import json
import plistlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from tests.benchmarks.fleet import OPTIONS, REPORT
from tests.fakes.apns import FakeApns

AT_ONCE = 6
QUIET_SECONDS = 5  # a push may come when its phone is there already, on account of another command
MOST_ANSWERS = 20  # of one phone in one session: a server that hands out for ever is a defect


class Phones:
    def __init__(self, base_url: str, apns: FakeApns, keys: Path) -> None:
        self.base_url, self.apns = base_url, apns
        saved = json.loads(keys.read_text())
        self.key = load_pem_private_key(saved[0]["key"].encode(), None)
        self.certificates = {one["udid"]: x509.load_pem_x509_certificate(one["certificate"].encode()) for one in saved}
        self.by_token = {one["token"]: one["udid"] for one in saved}
        self.waiting: dict[str, None] = {}
        self.told: set[str] = set()
        self.seen = len(apns.received)

    def connect_until(self, wanted: int, request_type: str, *, seconds: float = 300) -> None:
        """Those that are woken connect, and now and then others by themselves, until so many have been told that in all."""
        deadline, quiet_since = time.monotonic() + seconds, time.monotonic()
        with httpx.Client(base_url=self.base_url, timeout=60) as client, ThreadPoolExecutor(AT_ONCE) as pool:
            while len(self.told) < wanted:
                assert time.monotonic() < deadline, f"only {len(self.told)} devices were told so in {seconds} s"
                woken = self._woken(wanted - len(self.told))
                if not woken and time.monotonic() - quiet_since > QUIET_SECONDS:
                    woken = [udid for udid in self.certificates if udid not in self.told][: wanted - len(self.told)]
                if woken:
                    told = pool.map(lambda udid: self._connect(client, udid, request_type), woken)
                    self.told.update(udid for udid, was_told in zip(woken, told, strict=True) if was_told)
                    quiet_since = time.monotonic()
                else:
                    time.sleep(0.5)

    def _woken(self, most: int) -> list[str]:
        """Whom APNs has been asked to wake since the last time; whoever is too many stays for the next."""
        while self.seen < len(self.apns.received):
            if udid := self.by_token.get(self.apns.received[self.seen].token):
                self.waiting.setdefault(udid)
            self.seen += 1
        taken = list(self.waiting)[:most]
        for udid in taken:
            del self.waiting[udid]
        return taken

    def _connect(self, client: httpx.Client, udid: str, request_type: str) -> bool:
        """Does whatever it is told, until nothing is left. Returns whether it was told that."""
        told, given = False, self._say(client, udid, Status="Idle")
        for _ in range(MOST_ANSWERS):
            if not given:
                return told
            order = plistlib.loads(given)
            told |= order["Command"]["RequestType"] == request_type
            given = self._say(client, udid, Status="Acknowledged", CommandUUID=order["CommandUUID"])
        raise AssertionError(f"{udid} was given more than {MOST_ANSWERS} commands")

    def _say(self, client: httpx.Client, udid: str, **report: str) -> bytes:
        body = plistlib.dumps({"UDID": udid, **report})
        signing = pkcs7.PKCS7SignatureBuilder().set_data(body)
        signed = signing.add_signer(self.certificates[udid], self.key, hashes.SHA256()).sign(Encoding.DER, OPTIONS)
        headers = {"Content-Type": REPORT, "Mdm-Signature": base64.b64encode(signed).decode()}
        answer = client.put("/mdm/connect", content=body, headers=headers)
        assert answer.status_code == 200, answer.text[:300]
        return answer.content
