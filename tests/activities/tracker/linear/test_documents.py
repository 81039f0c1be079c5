"""What Linear is asked is what Linear has: else every question would be refused there, and pass here."""

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, build_schema, parse, validate

from activities.tracker.linear.documents import ALL
from tests.support.linear.published import declared_fields, published_schema
from tests.support.linear.schema import SDL

_OF_BODIES = {
    "EntityWebhookPayload": {"type", "action", "actor", "data", "updatedFrom", "organizationId", "webhookTimestamp"},
    "IssueWebhookPayload": {"id", "identifier", "team", "labels", "labelIds", "assigneeId", "delegateId"},
    "CommentWebhookPayload": {"id", "body", "userId", "issue", "createdAt"},
    "UserActorWebhookPayload": {"id", "type"},
    "AgentSessionEventWebhookPayload": {"type", "action", "agentSession", "agentActivity", "organizationId"},
    "AgentSessionWebhookPayload": {"id", "appUserId", "creatorId", "comment", "issue", "sourceCommentId"},
    "AgentActivityWebhookPayload": {"id", "signal", "userId", "sourceCommentId"},
    "IssueWithDescriptionChildWebhookPayload": {"id", "identifier", "team"},
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_document_is_one_that_linear_declares(name: str) -> None:
    assert [str(error) for error in validate(published_schema(), parse(ALL[name]))] == []


def test_every_field_of_a_webhook_that_is_read_is_one_that_linear_declares() -> None:
    for payload, fields in _OF_BODIES.items():
        assert fields <= declared_fields(payload), payload


def test_the_stand_in_has_nothing_that_linear_has_not() -> None:
    published, ours = published_schema(), build_schema(SDL)
    for name, there in ours.type_map.items():
        if name.startswith("__") or name in {"ID", "String", "Int", "Float", "Boolean"}:
            continue
        theirs = published.type_map.get(name)
        assert theirs is not None, name
        if isinstance(there, GraphQLEnumType):
            assert isinstance(theirs, GraphQLEnumType)
            assert set(there.values) <= set(theirs.values), name
        if isinstance(there, GraphQLObjectType | GraphQLInputObjectType):
            assert isinstance(theirs, GraphQLObjectType | GraphQLInputObjectType)
            assert set(there.fields) <= set(theirs.fields), (name, set(there.fields) - set(theirs.fields))
        if isinstance(there, GraphQLInputObjectType) and isinstance(theirs, GraphQLInputObjectType):
            # Where what is given is made, it has to be of the type that Linear takes.
            for field, given in there.fields.items():
                assert str(given.type).rstrip("!") == str(theirs.fields[field].type).rstrip("!"), f"{name}.{field}"
        if isinstance(there, GraphQLObjectType) and isinstance(theirs, GraphQLObjectType):
            for field, ask in there.fields.items():
                assert str(ask.type) == str(theirs.fields[field].type), f"{name}.{field}"
                assert set(ask.args) <= set(theirs.fields[field].args), f"{name}.{field}"
