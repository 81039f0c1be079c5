"""What the App may do in a workspace, and what for: no more than that."""

from collections.abc import Mapping

SCOPES: Mapping[str, str] = {
    "app_mentions:read": "`@agent` is not heard",
    "channels:history": "threads are not read, and replies there are not heard",
    "channels:read": "channels can't be looked at by this check",
    "chat:write": "nothing can be said",
    "commands": "`/agent` is not there",
    "groups:history": "threads of private channels are not read, and replies there are not heard",
    "groups:read": "private channels can't be looked at by this check",
    "im:history": "tasks that are shown in somebody's messages, where the App is in no channel, are not found again",
    "usergroups:read": "the members of user groups are not known",
    "users:read": "it is not known who is a member, a guest or deactivated",
    "users:read.email": "nobody is known by their address",
}
"""Of the bot's token, each with what is missing without it."""
_HISTORY, _READ = ("channels:history", "groups:history", "im:history"), ("channels:read", "groups:read")
METHODS: Mapping[str, tuple[str, ...]] = {
    "auth.test": (),
    "chat.getPermalink": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": _HISTORY,
    "conversations.info": _READ,
    "conversations.replies": _HISTORY,
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
"""What is asked of Slack, with the scopes of which the kind of channel needs one (docs.slack.dev, by method)."""
EVENTS: Mapping[str, str] = {
    "app_home_opened": "",
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
}
"""What the App is told, with the scope that takes."""
