"""The forms on the page of the push certificate."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.admin_forms import PageForm, SmallFileField

MAX_MAILED_BYTES = 256 * 1024
MOST_FILES = 6


class RequestForm(PageForm):
    email = forms.EmailField(
        label=gettext_lazy("E-mail in the request"),
        help_text=gettext_lazy("A shared mailbox is best: it stands in the certificate and is not checked."),
    )


class OrderForm(PageForm):
    signing_email = forms.EmailField(
        label=gettext_lazy("Address registered at mdmcert.download"),
        help_text=gettext_lazy(
            "The signed request is mailed there. Of an organization: the service takes no private mail providers."
        ),
    )
    api_key = forms.CharField(
        label=gettext_lazy("API key of mdmcert.download"),
        required=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, key_help: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["api_key"].help_text = key_help


class MailedFileForm(PageForm):
    mailed = SmallFileField(
        what="the one from the e-mail",
        most_bytes=MAX_MAILED_BYTES,
        label=gettext_lazy("File from the e-mail"),
        help_text=gettext_lazy("The attachment as it came; its name ends in .plist.b64.p7."),
    )


class ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class ManyFilesField(SmallFileField):
    """Cleans to a list."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data]
        files = [super(ManyFilesField, self).clean(one, initial) for one in given if one] or [
            super().clean(None, initial)
        ]
        if len(files) > MOST_FILES:
            raise forms.ValidationError(_("Choose at most %(most_files)s files.") % {"most_files": MOST_FILES})
        return files


class VendorForm(PageForm):
    files = ManyFilesField(
        what="a certificate or key",
        label=gettext_lazy("Vendor certificate, key and chain"),
        help_text=gettext_lazy(
            "One PEM file with everything, or several files at once: Apple's .cer files and the key (.key, "
            ".pem or .p12). The chain goes up to Apple's root; both parts of it are at "
            "apple.com/certificateauthority."
        ),
    )
    passphrase = forms.CharField(
        label=gettext_lazy("Passphrase of the key"),
        required=False,
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Only if it has one. It is not kept; the key is encrypted by Pomona."),
    )


class UploadForm(PageForm):
    """present_topic: given, the form asks for it as the word on which a certificate of another topic is taken."""

    certificate = SmallFileField(
        what="a certificate",
        label=gettext_lazy("Certificate from Apple"),
        help_text=gettext_lazy("The .pem file that you downloaded from the portal."),
    )
    key = SmallFileField(
        what="a key",
        label=gettext_lazy("Private key"),
        required=False,
        help_text=gettext_lazy(
            "Only if the request was made somewhere else: the key in PEM form, without a passphrase."
        ),
    )
    apple_id = forms.EmailField(
        label=gettext_lazy("Apple Account"),
        required=False,
        help_text=gettext_lazy("The one you signed in to the portal with. Next year you must renew with the same one."),
    )
    give_up_topic = forms.CharField(
        label=gettext_lazy("Topic to give up"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, present_topic: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if present_topic:
            self.fields["give_up_topic"].help_text = _(
                "Leave it empty to renew. No device is enrolled with the present topic, so you can also begin "
                "anew with a certificate of another one: type %(present_topic)s then."
            ) % {"present_topic": present_topic}
        else:
            del self.fields["give_up_topic"]
