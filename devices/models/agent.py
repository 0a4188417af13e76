"""The agent that runs scripts on Macs: the key its orders are signed with, and the package that takes it there."""

from django.db import models

from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedBinaryField, SecretHolder
from mdm.common.tokens import new_token


class AgentKey(AccountScoped, SecretHolder):
    """Signs what the account's Macs are told to run; they know the public half from their managed profile."""

    private_key = EncryptedBinaryField(help_text="PKCS #8, DER.")
    public_key = models.TextField(help_text="PEM.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account"], name="one_agent_key_per_account")]

    def __str__(self) -> str:
        return f"Agent key {self.pk}"


class InstallerCertificate(AccountScoped, SecretHolder):
    """Signs the agent's package, so that Macs take it from their management: a Developer ID Installer, or one they trust."""

    private_key = EncryptedBinaryField(help_text="PKCS #8, DER.")
    chain = models.TextField(help_text="PEM: the certificate, then those that issued it.")
    common_name = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    not_after = models.DateTimeField("valid until")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account"], name="one_installer_certificate_per_account")]

    def __str__(self) -> str:
        return self.common_name


STORED_AGENTS = "agents"


def stored_agent_path(package: "AgentPackage", filename: str) -> str:
    return f"{STORED_AGENTS}/{package.account_id}/{package.secret_name}.pkg"


def new_secret_name() -> str:
    return new_token(24)


class AgentPackage(AccountScoped):
    """The agent as a flat package: one for each version of the program and each certificate that signed it."""

    version = models.CharField(max_length=40)
    # Nobody can guess it: Macs fetch the package by it, without cookies or keys.
    secret_name = models.CharField(max_length=40, unique=True, default=new_secret_name, editable=False)
    file = models.FileField(upload_to=stored_agent_path, max_length=300)
    size = models.BigIntegerField(help_text="Bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    certificate_fingerprint = models.CharField(max_length=64, blank=True, help_text="Empty: it is not signed.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "version", "certificate_fingerprint"], name="one_agent_package_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"Agent {self.version}"
