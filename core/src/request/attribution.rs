//! Decides what a request says about itself: which agent, session, workflow and end user it belongs to.
//!
//! The field has no standard header for this, so the ones that common clients send are understood, in one
//! documented order; the first that is there wins:
//!
//! | | own header | others |
//! |---|---|---|
//! | agent | `x-farebox-agent` | `x-litellm-agent-id`, `x-claude-code-agent-id`, `x-codex-turn-metadata` (`agent_name`), `x-openai-subagent`; where a parent is named, the own `x-session-id` or `thread-id`; baggage `gen_ai.agent.name` |
//! | session | `x-farebox-session` | `x-claude-code-session-id`, `session-id`, `session_id`, `x-parent-session-id`, `x-session-id`, any other `x-…-session-id`, `x-session-affinity`, `x-codex-turn-metadata` (`session_id`), `x-codex-parent-thread-id`, `thread-id`, baggage `session.id`, `gen_ai.conversation.id`, in the body that of `metadata.user_id` |
//! | workflow | `x-farebox-workflow` | `helicone-session-path`, baggage `gen_ai.workflow.name` |
//! | user | `x-farebox-user` | `helicone-user-id`, `x-gemini-api-privileged-user-id`, baggage `user.id`, in the body `safety_identifier`, `user`, `metadata.user_id` |
//! | client | | the first word of `user-agent` |
//!
//! A session is the whole tree: what a sub-agent does counts in the session of whoever sent it, where it says who that
//! is, so that a budget per session holds for a run however many helpers it starts. The sub-agent is the agent.
//!
//! All of it is a claim. It is recorded and may choose a model by a rule; it never chooses whose money is
//! spent: see `identity.rs`.

mod composite;

use crate::base::headers::RequestHead;
use crate::base::text::{Label, percent_decode};
pub use composite::BodyAttribution;

/// What a request says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The agent that acts.
    pub agent: Option<Label>,
    /// The run or conversation.
    pub session: Option<Label>,
    /// The workflow or step.
    pub workflow: Option<Label>,
    /// The person or account at the other end.
    pub user: Option<Label>,
    /// The program that asks.
    pub client: Option<Label>,
    /// How often the client's SDK has tried before (`x-stainless-retry-count`).
    pub retries: Option<u64>,
}

impl Attribution {
    /// Reads the headers. What the body says, if anything, is added by [`Attribution::or`].
    #[must_use]
    pub fn read(head: &RequestHead) -> Self {
        let headers = AttributionHeaders::of(head);
        let label = |value: Option<&[u8]>| value.and_then(Label::from_bytes);
        let first = |values: &[Option<&[u8]>]| values.iter().copied().find_map(label);
        let baggage = |names: &[&str]| {
            headers.has_baggage.then(|| names.iter().find_map(|name| baggage(head, name))).flatten()
        };
        let [agent_of_turn, session_of_turn] = headers.turn.map(composite::turn).unwrap_or_default();
        let [own_session, thread] = [headers.session_id, headers.thread];
        // A client with a parent is a helper, and its own id tells it from others.
        let helper = || match headers {
            AttributionHeaders { parent_session: Some(_), .. } => label(own_session),
            AttributionHeaders { parent_thread: Some(_), .. } => label(thread),
            _ => None,
        };
        Self {
            agent: first(&headers.agent)
                .or(agent_of_turn)
                .or_else(|| label(headers.subagent))
                .or_else(helper)
                .or_else(|| baggage(&["gen_ai.agent.name"])),
            session: first(&headers.session)
                .or_else(|| {
                    first(&[headers.parent_session, own_session, headers.vendor_session, headers.affinity])
                })
                .or(session_of_turn)
                .or_else(|| first(&[headers.parent_thread, thread]))
                .or_else(|| baggage(&["session.id", "gen_ai.conversation.id"])),
            workflow: first(&headers.workflow).or_else(|| baggage(&["gen_ai.workflow.name"])),
            user: first(&headers.user).or_else(|| baggage(&["user.id"])),
            client: headers.client.and_then(composite::client),
            retries: headers.retries.and_then(crate::json::count),
        }
    }

    /// Takes whom the body names, where no header named one.
    #[must_use]
    pub fn or(mut self, body: &BodyAttribution) -> Self {
        self.user = self.user.or_else(|| body.user.clone());
        self.session = self.session.or_else(|| body.session.clone());
        self
    }
}

/// The first value of every header that may say something, by what it says and in the order of the table above.
#[derive(Default)]
struct AttributionHeaders<'a> {
    agent: [Option<&'a [u8]>; 3],
    subagent: Option<&'a [u8]>,
    session: [Option<&'a [u8]>; 4],
    parent_session: Option<&'a [u8]>,
    session_id: Option<&'a [u8]>,
    vendor_session: Option<&'a [u8]>,
    affinity: Option<&'a [u8]>,
    parent_thread: Option<&'a [u8]>,
    thread: Option<&'a [u8]>,
    turn: Option<&'a [u8]>,
    workflow: [Option<&'a [u8]>; 2],
    user: [Option<&'a [u8]>; 3],
    client: Option<&'a [u8]>,
    retries: Option<&'a [u8]>,
    has_baggage: bool,
}

impl<'a> AttributionHeaders<'a> {
    /// Goes through the headers once, however many names there are to look for.
    fn of(head: &'a RequestHead) -> Self {
        let mut headers = Self::default();
        for (name, value) in head.iter() {
            // Nearly all begin otherwise, or are an SDK's that says nothing of this.
            if !matches!(name.first(), Some(b'x' | b's' | b't' | b'h' | b'u' | b'b'))
                || (name.starts_with(b"x-stainless-") && name != b"x-stainless-retry-count")
            {
                continue;
            }
            let place = match name {
                b"x-farebox-agent" => &mut headers.agent[0],
                b"x-litellm-agent-id" => &mut headers.agent[1],
                b"x-claude-code-agent-id" => &mut headers.agent[2],
                b"x-openai-subagent" => &mut headers.subagent,
                b"x-codex-turn-metadata" => &mut headers.turn,
                b"x-codex-parent-thread-id" => &mut headers.parent_thread,
                b"thread-id" => &mut headers.thread,
                b"x-farebox-session" => &mut headers.session[0],
                b"x-claude-code-session-id" => &mut headers.session[1],
                b"session-id" => &mut headers.session[2],
                b"session_id" => &mut headers.session[3],
                b"x-parent-session-id" if is_id(value) => &mut headers.parent_session,
                b"x-session-id" if is_id(value) => &mut headers.session_id,
                b"x-session-affinity" if is_id(value) => &mut headers.affinity,
                b"x-farebox-workflow" => &mut headers.workflow[0],
                b"helicone-session-path" => &mut headers.workflow[1],
                b"x-farebox-user" => &mut headers.user[0],
                b"helicone-user-id" => &mut headers.user[1],
                b"x-gemini-api-privileged-user-id" => &mut headers.user[2],
                b"user-agent" => &mut headers.client,
                b"x-stainless-retry-count" => &mut headers.retries,
                b"baggage" => {
                    headers.has_baggage = true;
                    continue;
                }
                name if is_vendor_session(name) && is_id(value) => &mut headers.vendor_session,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        headers
    }
}

/// Whether a header is any `x-…-session-id`.
fn is_vendor_session(name: &[u8]) -> bool {
    name.starts_with(b"x-") && name.ends_with(b"-session-id")
}

/// Whether a value looks like an identifier: eight or more letters, digits, dashes or underscores.
fn is_id(value: &[u8]) -> bool {
    value.len() >= 8 && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A member of the W3C `baggage` header, without its properties and with percent-encoding undone.
fn baggage(head: &RequestHead, key: &str) -> Option<Label> {
    head.all("baggage").flat_map(|value| value.split(|&byte| byte == b',')).find_map(|member| {
        let member = member.split(|&byte| byte == b';').next()?;
        let at = member.iter().position(|&byte| byte == b'=')?;
        let (name, value) = member.split_at_checked(at)?;
        let value = value.get(1..)?;
        if name.trim_ascii() != key.as_bytes() {
            return None;
        }
        Label::from_bytes(&percent_decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map(|label| label.to_string()).unwrap_or_default()
    }

    #[test]
    fn own_headers_come_before_those_of_others() {
        let head = RequestHead::from([
            ("x-openai-subagent", "review"),
            ("x-farebox-agent", "planner"),
            ("x-claude-code-session-id", "c-1"),
            ("x-farebox-session", "s-1"),
            ("x-stainless-retry-count", "2"),
        ]);
        let said = Attribution::read(&head);
        assert_eq!(
            (text(said.agent), text(said.session), said.retries),
            ("planner".into(), "s-1".into(), Some(2))
        );
    }

    #[test]
    fn any_vendors_session_header_is_understood_if_it_looks_like_an_identifier() {
        let session =
            |value| text(Attribution::read(&RequestHead::from([("x-acme-session-id", value)])).session);
        assert_eq!(session("abc_DEF-123"), "abc_DEF-123");
        assert_eq!(session("short"), "");
        assert_eq!(session("has space in it"), "");
    }

    #[test]
    fn baggage_is_read_last_and_decoded() {
        let head =
            RequestHead::from([("baggage", "a=b, session.id = run%207;ttl=1 ,gen_ai.agent.name=%C3%A9x%zz")]);
        let said = Attribution::read(&head);
        assert_eq!((text(said.session), text(said.agent)), ("run 7".into(), "??x%zz".into()));
    }

    /// Agent and session of a request with these headers.
    fn acts(headers: &[(&str, &str)]) -> (String, String) {
        let headers =
            headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let said = Attribution::read(&RequestHead::new(headers.collect()));
        (text(said.agent), text(said.session))
    }

    #[test]
    fn a_sub_agent_of_claude_code_is_an_agent_in_the_session_of_its_user() {
        let session = ("x-claude-code-session-id", "c-1");
        assert_eq!(acts(&[session]), (String::new(), "c-1".into()));
        assert_eq!(acts(&[("x-claude-code-agent-id", "a-7"), session]), ("a-7".into(), "c-1".into()));
    }

    #[test]
    fn a_sub_agent_of_opencode_counts_in_the_session_of_its_parent_whatever_comes_first() {
        let (own, parent) = (("x-session-id", "ses_child1"), ("x-parent-session-id", "ses_parent"));
        let affinity = ("x-session-affinity", "ses_child1");
        let helper = ("ses_child1".to_owned(), "ses_parent".to_owned());
        assert_eq!(acts(&[parent, own, affinity]), helper);
        assert_eq!(acts(&[affinity, own, parent]), helper);
        assert_eq!(acts(&[own, affinity]), (String::new(), "ses_child1".into()));
        assert_eq!(acts(&[affinity]), (String::new(), "ses_child1".into()));
    }

    #[test]
    fn codex_names_its_agent_in_the_metadata_of_a_turn_and_its_session_in_a_header() {
        let turn = ("x-codex-turn-metadata", r#"{"session_id":"m-1","agent_name":"writer","turn_id":"t"}"#);
        let spawned = ("x-openai-subagent", "collab_spawn");
        assert_eq!(acts(&[turn]), ("writer".into(), "m-1".into()));
        let thread = ("thread-id", "t-2");
        assert_eq!(acts(&[spawned, turn, thread, ("session-id", "s-1")]), ("writer".into(), "s-1".into()));
        assert_eq!(acts(&[("x-codex-turn-metadata", "{"), spawned]), ("collab_spawn".into(), String::new()));
    }

    #[test]
    fn a_codex_thread_without_a_session_counts_for_the_thread_that_started_it() {
        let thread = ("thread-id", "t-2");
        assert_eq!(acts(&[thread]), (String::new(), "t-2".into()));
        assert_eq!(acts(&[thread, ("x-codex-parent-thread-id", "t-1")]), ("t-2".into(), "t-1".into()));
    }

    #[test]
    fn own_headers_win_over_all_that_clients_send() {
        let all = [
            ("x-claude-code-agent-id", "a-7"),
            ("x-claude-code-session-id", "c-1"),
            ("x-parent-session-id", "ses_parent"),
            ("x-codex-turn-metadata", r#"{"session_id":"m-1","agent_name":"writer"}"#),
            ("x-farebox-agent", "planner"),
            ("x-farebox-session", "run-9"),
        ];
        assert_eq!(acts(&all), ("planner".into(), "run-9".into()));
    }

    #[test]
    fn gemini_cli_names_its_installation_and_every_client_itself() {
        let head = RequestHead::from([
            ("user-agent", "GeminiCLI/0.61.0/gemini-3.8 (linux; x64)"),
            ("x-gemini-api-privileged-user-id", "inst-1"),
        ]);
        let said = Attribution::read(&head);
        assert_eq!((text(said.user), text(said.client)), ("inst-1".into(), "geminicli".into()));
    }

    #[test]
    fn the_body_names_user_and_session_only_if_no_header_does() {
        let body = BodyAttribution {
            user: Label::from_bytes(b"body-user"),
            session: Label::from_bytes(b"body-session"),
        };
        let head = RequestHead::from([("helicone-user-id", "header-user"), ("session-id", "s-1")]);
        let said = Attribution::read(&head).or(&body);
        assert_eq!((text(said.user), text(said.session)), ("header-user".into(), "s-1".into()));
        let said = Attribution::default().or(&body);
        assert_eq!((text(said.user), text(said.session)), ("body-user".into(), "body-session".into()));
    }
}
