"""Every document that Linear is asked with; a test holds them against what Linear's own client declares."""

_ISSUE = """
fragment IssueParts on Issue {
  id identifier previousIdentifiers title description url priorityLabel trashed archivedAt createdAt updatedAt
  creator { id }
  team { id key archivedAt retiredAt organization { id } }
  state { id name type }
  labels(first: 50) { nodes { id name } }
  assignee { id }
  delegate { id }
  project { name }
  cycle { number name }
}
"""

VIEWER = """
query Viewer {
  viewer { id name displayName app active }
  organization { id name urlKey }
}
"""

ISSUES = (
    _ISSUE
    + """
query Issues($filter: IssueFilter!, $first: Int!, $after: String, $archived: Boolean!) {
  issues(filter: $filter, first: $first, after: $after, includeArchived: $archived, orderBy: updatedAt) {
    nodes { ...IssueParts }
    pageInfo { hasNextPage endCursor }
  }
}
"""
)

BACKLOG = """
query Backlog($filter: IssueFilter!, $first: Int!) {
  issues(filter: $filter, first: $first) {
    nodes { identifier title priority priorityLabel updatedAt state { name } }
  }
}
"""

HISTORY = """
query IssueHistory($id: String!, $first: Int!) {
  issue(id: $id) {
    history(first: $first) {
      nodes { id createdAt actorId botActor { id } toStateId addedLabels { name } toAssigneeId toDelegate { id }
        updatedDescription toTitle }
    }
  }
}
"""

STATES = """
query TeamStates($id: String!) {
  team(id: $id) { states(first: 100) { nodes { id name type position } } }
}
"""

COMMENTS = """
query Comments($filter: CommentFilter!, $first: Int!, $after: String) {
  comments(filter: $filter, first: $first, after: $after, orderBy: updatedAt) {
    nodes {
      id body createdAt updatedAt editedAt
      user { id name displayName app }
      botActor { id }
      issue { id }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

USERS = """
query Users($filter: UserFilter!) {
  users(filter: $filter, first: 1, includeDisabled: true) {
    nodes { id name email active guest app organization { id } }
  }
}
"""

SESSION = """
query AgentSession($id: String!) {
  agentSession(id: $id) { issue { id } comment { id body user { id } } creator { id } appUser { id } }
}
"""

PROMPT = """
query AgentPrompt($id: String!) {
  agentActivity(id: $id) {
    signal
    user { id }
    agentSession { id issue { id } }
    content { ... on AgentActivityPromptContent { body } }
  }
}
"""

ACTIVITIES = """
query AgentActivities($filter: AgentActivityFilter!) {
  agentActivities(filter: $filter, first: 100) { nodes { id user { id } } }
}
"""

TEAMS = """
query Teams($keys: [String!]!) {
  teams(filter: { key: { in: $keys } }, first: 50, includeArchived: true) {
    nodes {
      id key name archivedAt retiredAt
      activeCycle { id number name }
      states(first: 100) { nodes { id name type position } }
    }
  }
}
"""

LABELS = """
query Labels($name: String!) {
  issueLabels(filter: { name: { eqIgnoreCase: $name } }, first: 50) { nodes { id name team { key } } }
}
"""

WEBHOOKS = """
query Webhooks {
  webhooks(first: 50) { nodes { id url enabled resourceTypes allPublicTeams team { key } } }
}
"""

MOVE = """
mutation MoveIssue($id: String!, $state: String!) {
  issueUpdate(id: $id, input: { stateId: $state }) { success }
}
"""

COMMENT = """
mutation CreateComment($id: String!, $issue: String!, $body: String!) {
  commentCreate(input: { id: $id, issueId: $issue, body: $body }) { success }
}
"""

EDIT = """
mutation UpdateComment($id: String!, $body: String!) {
  commentUpdate(id: $id, input: { body: $body }) { success }
}
"""

ATTACH = """
mutation AttachLink($issue: String!, $url: String!, $title: String!, $subtitle: String!) {
  attachmentCreate(input: { issueId: $issue, url: $url, title: $title, subtitle: $subtitle }) { success }
}
"""

ACTIVITY = """
mutation CreateAgentActivity($input: AgentActivityCreateInput!) {
  agentActivityCreate(input: $input) { success }
}
"""

LINKS = """
mutation LinkAgentSession($id: String!, $urls: [AgentSessionExternalUrlInput!]!) {
  agentSessionUpdate(id: $id, input: { addedExternalUrls: $urls }) { success }
}
"""

ALL = {name: text for name, text in globals().items() if name.isupper() and not name.startswith("_") and name != "ALL"}
