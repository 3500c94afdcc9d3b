//! Decides what a request says about itself: which agent, session, workflow and end user it belongs to.
//!
//! The field has no standard header for this, so the ones that common clients send are understood, in one
//! documented order; the first that is there wins:
//!
//! | | own header | others |
//! |---|---|---|
//! | agent | `x-farebox-agent` | `x-litellm-agent-id`, `x-openai-subagent`, baggage `gen_ai.agent.name` |
//! | session | `x-farebox-session` | `x-claude-code-session-id`, `session-id`, `session_id`, any `x-…-session-id`, baggage `session.id`, `gen_ai.conversation.id` |
//! | workflow | `x-farebox-workflow` | `helicone-session-path`, baggage `gen_ai.workflow.name` |
//! | user | `x-farebox-user` | `helicone-user-id`, baggage `user.id`, in the body `safety_identifier`, `user`, `metadata.user_id` |
//!
//! All of it is a claim. It is recorded and may choose a model by a rule; it never chooses whose money is
//! spent: see `identity.rs`.

use crate::head::RequestHead;
use crate::text::{Label, percent_decode};

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
    /// How often the client's SDK has tried before (`x-stainless-retry-count`).
    pub retries: Option<u64>,
}

impl Attribution {
    /// Reads the headers. The body's user, if any, is added by [`Attribution::or_user`].
    #[must_use]
    pub fn read(head: &RequestHead) -> Self {
        let claims = Claims::of(head);
        let first =
            |values: &[Option<&[u8]>]| values.iter().flatten().find_map(|value| Label::from_bytes(value));
        let baggage = |names: &[&str]| {
            claims.has_baggage.then(|| names.iter().find_map(|name| baggage(head, name))).flatten()
        };
        Self {
            agent: first(&claims.agent).or_else(|| baggage(&["gen_ai.agent.name"])),
            session: first(&claims.session)
                .or_else(|| claims.vendor_session.and_then(Label::from_bytes))
                .or_else(|| baggage(&["session.id", "gen_ai.conversation.id"])),
            workflow: first(&claims.workflow).or_else(|| baggage(&["gen_ai.workflow.name"])),
            user: first(&claims.user).or_else(|| baggage(&["user.id"])),
            retries: claims.retries.and_then(crate::json::count),
        }
    }

    /// Takes the end user of the body if no header named one.
    #[must_use]
    pub fn or_user(mut self, user: Option<Label>) -> Self {
        self.user = self.user.or(user);
        self
    }
}

/// The first value of every header that may say something, by what it says and in the order of the table above.
#[derive(Default)]
struct Claims<'a> {
    agent: [Option<&'a [u8]>; 3],
    session: [Option<&'a [u8]>; 4],
    workflow: [Option<&'a [u8]>; 2],
    user: [Option<&'a [u8]>; 2],
    vendor_session: Option<&'a [u8]>,
    retries: Option<&'a [u8]>,
    has_baggage: bool,
}

impl<'a> Claims<'a> {
    /// Goes through the headers once, however many names there are to look for.
    fn of(head: &'a RequestHead) -> Self {
        let mut claims = Self::default();
        for (name, value) in head.iter() {
            let place = match name {
                b"x-farebox-agent" => &mut claims.agent[0],
                b"x-litellm-agent-id" => &mut claims.agent[1],
                b"x-openai-subagent" => &mut claims.agent[2],
                b"x-farebox-session" => &mut claims.session[0],
                b"x-claude-code-session-id" => &mut claims.session[1],
                b"session-id" => &mut claims.session[2],
                b"session_id" => &mut claims.session[3],
                b"x-farebox-workflow" => &mut claims.workflow[0],
                b"helicone-session-path" => &mut claims.workflow[1],
                b"x-farebox-user" => &mut claims.user[0],
                b"helicone-user-id" => &mut claims.user[1],
                b"x-stainless-retry-count" => &mut claims.retries,
                b"baggage" => {
                    claims.has_baggage = true;
                    continue;
                }
                name if is_vendor_session(name, value) => &mut claims.vendor_session,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        claims
    }
}

/// Whether a header is any `x-…-session-id` and its value looks like an identifier: eight or more letters, digits,
/// dashes or underscores.
fn is_vendor_session(name: &[u8], value: &[u8]) -> bool {
    name.starts_with(b"x-")
        && name.ends_with(b"-session-id")
        && value.len() >= 8
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
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

    #[test]
    fn the_body_names_the_user_only_if_no_header_does() {
        let body = Label::from_bytes(b"body-user");
        let head = RequestHead::from([("helicone-user-id", "header-user")]);
        assert_eq!(text(Attribution::read(&head).or_user(body.clone()).user), "header-user");
        assert_eq!(text(Attribution::default().or_user(body).user), "body-user");
    }
}
