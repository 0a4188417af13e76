"""The Celery app and the one list of what runs when. Tasks carry ids, may run twice and may be lost; rows are the truth."""

import os

from celery import Celery

from mdm.common import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mdm.settings")

file_broker.register()
app = Celery("pomona")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["mdm.endpoints"])

MINUTE = 60
app.conf.beat_schedule = {
    "send pushes that are due": {"task": "mdm.push.tasks.send_due_pushes", "schedule": 15},
    "hand requests to mdmcert.download": {"task": "mdm.push.tasks.send_signing_orders", "schedule": MINUTE},
    "wake devices whose commands wait": {"task": "mdm.commands.tasks.nudge_waiting", "schedule": 5 * MINUTE},
    "apply answers that were left": {"task": "mdm.endpoints.tasks.apply_results", "schedule": 15},
    "bring devices to what they should have": {
        "task": "apps_catalog.tasks.reconcile_due_devices",
        "schedule": 30,
    },
    "carry out operations on many devices": {"task": "devices.tasks.carry_out_operations", "schedule": 30},
    "forget old operations": {"task": "devices.tasks.forget_old_operations", "schedule": 24 * 60 * MINUTE},
    "compare all devices with what they should have": {
        "task": "apps_catalog.tasks.compare_all_devices",
        "schedule": 24 * 60 * MINUTE,
    },
    "ask devices for their inventory": {"task": "devices.tasks.ask_for_inventories", "schedule": 15 * MINUTE},
    "ask the App Store about apps": {"task": "apps_catalog.tasks.look_up_store_apps", "schedule": MINUTE},
    "search the App Store": {"task": "apps_catalog.tasks.search_app_store", "schedule": MINUTE},
    "follow installs of apps": {"task": "apps_catalog.tasks.follow_installs", "schedule": 2 * MINUTE},
    "give licences out and back": {"task": "apps_catalog.tasks.manage_licences", "schedule": MINUTE},
    "count devices that have what they should have": {
        "task": "apps_catalog.tasks.report_compliance",
        "schedule": 60 * MINUTE,
    },
    "watch content tokens": {"task": "apps_catalog.tasks.watch_content_tokens", "schedule": 12 * 60 * MINUTE},
    "send links for forgotten passwords": {"task": "mdm.sign_in.tasks.send_password_resets", "schedule": MINUTE},
    "forget guesses and old sessions": {"task": "mdm.sign_in.tasks.tidy_up_sign_in", "schedule": 60 * MINUTE},
    "deliver webhooks": {"task": "mdm.events.tasks.deliver_webhooks", "schedule": 15},
    "give up messages of paused webhooks": {"task": "mdm.events.tasks.give_up_messages", "schedule": 60 * MINUTE},
    "forget old webhook deliveries": {"task": "mdm.events.tasks.forget_deliveries", "schedule": 24 * 60 * MINUTE},
    "forward the log": {"task": "mdm.events.tasks.forward_log", "schedule": 15},
    "forget old lines of the log": {"task": "mdm.events.tasks.prune_log", "schedule": 24 * 60 * MINUTE},
    "forget deleted profiles and apps": {
        "task": "apps_catalog.tasks.forget_deleted_items",
        "schedule": 24 * 60 * MINUTE,
    },
    "remove files of apps that nobody needs": {
        "task": "apps_catalog.tasks.tidy_up_files",
        "schedule": 24 * 60 * MINUTE,
    },
    "let Macs fetch their scripts": {"task": "devices.tasks.provide_script_agents", "schedule": 5 * MINUTE},
    "build the agent's packages": {"task": "devices.tasks.build_agent_packages", "schedule": 10 * MINUTE},
    "remove old packages of the agent": {"task": "devices.tasks.tidy_agent_packages", "schedule": 24 * 60 * MINUTE},
    "watch installer certificates": {
        "task": "devices.tasks.watch_installer_certificates",
        "schedule": 12 * 60 * MINUTE,
    },
    "put outputs of scripts into attributes": {"task": "devices.tasks.apply_script_outputs", "schedule": MINUTE},
    "end old script jobs": {"task": "devices.tasks.tend_script_jobs", "schedule": 10 * MINUTE},
    "expire old commands": {"task": "mdm.commands.tasks.expire_commands", "schedule": 10 * MINUTE},
    "forget old answers": {"task": "mdm.commands.tasks.prune_results", "schedule": 24 * 60 * MINUTE},
    "renew identity certificates": {"task": "enrollment.tasks.renew_identities", "schedule": 6 * 60 * MINUTE},
    "sync Apple's device lists": {"task": "enrollment.tasks.sync_dep_servers", "schedule": MINUTE},
    "bring enrollment settings to Apple": {"task": "enrollment.tasks.assign_dep_profiles", "schedule": MINUTE},
    "watch server tokens of Apple": {"task": "enrollment.tasks.watch_dep_tokens", "schedule": 12 * 60 * MINUTE},
    "send invitations": {"task": "enrollment.tasks.send_invitations", "schedule": MINUTE},
    "send invitations of people": {"task": "mdm.sign_in.tasks.send_person_invitations", "schedule": MINUTE},
    "forget old invitations of people": {
        "task": "mdm.sign_in.tasks.forget_person_invitations",
        "schedule": 24 * 60 * MINUTE,
    },
    "let devices go on in Setup Assistant": {"task": "enrollment.tasks.release_waiting_devices", "schedule": 15},
    "watch external CAs": {"task": "enrollment.tasks.watch_trusted_authorities", "schedule": 12 * 60 * MINUTE},
    "look after the system status": {"task": "mdm.running.tasks.look_after_status", "schedule": 5 * MINUTE},
    "watch push certificates": {"task": "mdm.push.tasks.watch_certificates", "schedule": 12 * 60 * MINUTE},
}
