"""The part of Linear's interface that the stand-in has; a test holds it against what Linear's own client declares."""

SDL = """
scalar DateTime
scalar DateTimeOrDuration
scalar JSON
scalar JSONObject
enum PaginationOrderBy { createdAt updatedAt }
enum AgentActivitySignal { auth continue select stop }
enum AgentSessionStatus { active awaitingInput complete error pending stale stopping }

type PageInfo { hasNextPage: Boolean! endCursor: String }
type Organization { id: ID! name: String! urlKey: String! }
type User {
  id: ID! name: String! displayName: String! email: String! active: Boolean! guest: Boolean! app: Boolean!
  organization: Organization!
}
type UserConnection { nodes: [User!]! pageInfo: PageInfo! }
type ActorBot { id: ID }
type WorkflowState { id: ID! name: String! type: String! position: Float! }
type WorkflowStateConnection { nodes: [WorkflowState!]! pageInfo: PageInfo! }
type Cycle { id: ID! number: Float! name: String isActive: Boolean! }
type Project { id: ID! name: String! }
type IssueLabel { id: ID! name: String! team: Team }
type IssueLabelConnection { nodes: [IssueLabel!]! pageInfo: PageInfo! }
type Team {
  id: ID! key: String! name: String! archivedAt: DateTime retiredAt: DateTime organization: Organization!
  activeCycle: Cycle states(first: Int): WorkflowStateConnection!
}
type TeamConnection { nodes: [Team!]! pageInfo: PageInfo! }
type IssueHistory {
  id: ID! createdAt: DateTime! actorId: String botActor: ActorBot toStateId: String addedLabels: [IssueLabel!]
  toAssigneeId: String toDelegate: User updatedDescription: Boolean toTitle: String
}
type IssueHistoryConnection { nodes: [IssueHistory!]! pageInfo: PageInfo! }
type Issue {
  id: ID! identifier: String! previousIdentifiers: [String!]! title: String! description: String url: String!
  priorityLabel: String! priority: Float! trashed: Boolean archivedAt: DateTime createdAt: DateTime!
  updatedAt: DateTime! number: Float!
  creator: User team: Team! state: WorkflowState! labels(first: Int): IssueLabelConnection!
  assignee: User delegate: User project: Project cycle: Cycle history(first: Int): IssueHistoryConnection!
}
type IssueConnection { nodes: [Issue!]! pageInfo: PageInfo! }
type Comment {
  id: ID! body: String! createdAt: DateTime! updatedAt: DateTime! editedAt: DateTime user: User
  botActor: ActorBot issue: Issue
}
type CommentConnection { nodes: [Comment!]! pageInfo: PageInfo! }
type AgentSession {
  id: ID! status: AgentSessionStatus! issue: Issue comment: Comment creator: User appUser: User!
}
type AgentActivityPromptContent { body: String! }
type AgentActivityThoughtContent { body: String! }
union AgentActivityContent = AgentActivityPromptContent | AgentActivityThoughtContent
type AgentActivity {
  id: ID! user: User! agentSession: AgentSession! signal: AgentActivitySignal content: AgentActivityContent!
}
type AgentActivityConnection { nodes: [AgentActivity!]! pageInfo: PageInfo! }
type Webhook {
  id: ID! url: String enabled: Boolean! resourceTypes: [String!]! allPublicTeams: Boolean! team: Team
}
type WebhookConnection { nodes: [Webhook!]! pageInfo: PageInfo! }

input IdComparator { eq: ID in: [ID!] }
input IssueIdComparator { eq: ID in: [ID!] }
input StringComparator { eq: String eqIgnoreCase: String in: [String!] nin: [String!] }
input NumberComparator { eq: Float }
input DateComparator { gt: DateTimeOrDuration gte: DateTimeOrDuration }
input BooleanComparator { eq: Boolean }
input TeamFilter { key: StringComparator }
input WorkflowStateFilter { type: StringComparator }
input IssueLabelCollectionFilter { name: StringComparator }
input IssueLabelFilter { name: StringComparator }
input NullableCycleFilter { isActive: BooleanComparator }
input IssueFilter {
  id: IssueIdComparator team: TeamFilter number: NumberComparator updatedAt: DateComparator state: WorkflowStateFilter
  labels: IssueLabelCollectionFilter cycle: NullableCycleFilter
}
input NullableIssueFilter { id: IssueIdComparator team: TeamFilter }
input CommentFilter { id: IdComparator issue: NullableIssueFilter updatedAt: DateComparator }
input UserFilter { id: IdComparator }
input AgentActivityFilter { id: IdComparator }
input IssueUpdateInput { stateId: String }
input CommentCreateInput { id: String issueId: String body: String }
input CommentUpdateInput { body: String }
input AttachmentCreateInput { issueId: String! url: String! title: String! subtitle: String }
input AgentActivityCreateInput {
  id: String agentSessionId: String! content: JSONObject! signal: AgentActivitySignal signalMetadata: JSONObject
}
input AgentSessionExternalUrlInput { label: String! url: String! }
input AgentSessionUpdateInput { addedExternalUrls: [AgentSessionExternalUrlInput!] }

type IssuePayload { success: Boolean! }
type CommentPayload { success: Boolean! }
type AttachmentPayload { success: Boolean! }
type AgentActivityPayload { success: Boolean! }
type AgentSessionPayload { success: Boolean! }

type Query {
  viewer: User!
  organization: Organization!
  issue(id: String!): Issue!
  issues(
    filter: IssueFilter first: Int after: String includeArchived: Boolean orderBy: PaginationOrderBy
  ): IssueConnection!
  team(id: String!): Team!
  teams(filter: TeamFilter, first: Int, includeArchived: Boolean): TeamConnection!
  comments(filter: CommentFilter, first: Int, after: String, orderBy: PaginationOrderBy): CommentConnection!
  users(filter: UserFilter, first: Int, includeDisabled: Boolean): UserConnection!
  agentSession(id: String!): AgentSession!
  agentActivity(id: String!): AgentActivity!
  agentActivities(filter: AgentActivityFilter, first: Int): AgentActivityConnection!
  issueLabels(filter: IssueLabelFilter, first: Int): IssueLabelConnection!
  webhooks(first: Int): WebhookConnection!
}

type Mutation {
  issueUpdate(id: String!, input: IssueUpdateInput!): IssuePayload!
  commentCreate(input: CommentCreateInput!): CommentPayload!
  commentUpdate(id: String!, input: CommentUpdateInput!): CommentPayload!
  attachmentCreate(input: AttachmentCreateInput!): AttachmentPayload!
  agentActivityCreate(input: AgentActivityCreateInput!): AgentActivityPayload!
  agentSessionUpdate(id: String!, input: AgentSessionUpdateInput!): AgentSessionPayload!
}
"""
