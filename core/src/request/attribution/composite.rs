//! Decides what is said by values that say several things at once: a client's user id, Codex's metadata of a turn, and a
//! `user-agent`.
//!
//! Claude Code writes device, account and session into the one member that Anthropic has for a user. Taken whole it
//! would make every session another user, so the user is the account, or the device of somebody who has none. Its older
//! versions write the same as `user_<device>_account_<account>_session_<session>`.

use core::ops::Range;

use crate::base::text::Label;
use crate::json::{Scanner, Shape, Sink, Value, unescape};

/// Longest text of which the parts are looked for, in bytes. Claude Code's has about 200.
const TEXT_BYTES: usize = 1_024;
/// Longest name of a client, in bytes.
const CLIENT_BYTES: usize = 32;

/// Whom a client's user id names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyAttribution {
    /// The user.
    pub user: Option<Label>,
    /// The session, if it is named too.
    pub session: Option<Label>,
}

impl BodyAttribution {
    /// Reads a user id, from the bytes between the quotes of its JSON string.
    #[must_use]
    pub fn read(raw: &[u8]) -> Self {
        let parts = raw.get(TEXT_BYTES..).is_none_or(<[u8]>::is_empty).then(|| parts(raw)).flatten();
        parts.unwrap_or_else(|| Self { user: Label::from_bytes(raw), session: None })
    }

    /// Takes from another what this one does not name.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { user: self.user.or(other.user), session: self.session.or(other.session) }
    }
}

/// The parts of a user id that has some.
fn parts(raw: &[u8]) -> Option<BodyAttribution> {
    if let Some(text) = raw.strip_prefix(b"user_") {
        let text = core::str::from_utf8(text).ok()?;
        let (device, rest) = text.split_once("_account_")?;
        let (account, session) = rest.split_once("_session_")?;
        return named(account.as_bytes(), device.as_bytes(), session.as_bytes());
    }
    if !raw.starts_with(b"{") {
        return None;
    }
    let [account, device, session] = members(unescape(raw)?.as_bytes(), &USER_ID)?;
    named(&account, &device, &session)
}

fn named(account: &[u8], device: &[u8], session: &[u8]) -> Option<BodyAttribution> {
    let user = Label::from_bytes(account).or_else(|| Label::from_bytes(device));
    let session = Label::from_bytes(session);
    (user.is_some() || session.is_some()).then_some(BodyAttribution { user, session })
}

/// The members of Claude Code's user id, by their places in what [`members`] gives.
static USER_ID: Shape<usize> = Shape::document(&[
    Shape::value("account_uuid", 0),
    Shape::value("device_id", 1),
    Shape::value("session_id", 2),
]);

/// The same of Codex's `x-codex-turn-metadata`.
static TURN: Shape<usize> = Shape::document(&[Shape::value("agent_name", 0), Shape::value("session_id", 1)]);

/// The agent and the session that Codex's metadata of a turn name.
pub(super) fn turn(value: &[u8]) -> [Option<Label>; 2] {
    let members = members(value, &TURN).unwrap_or_default();
    members.map(|member: Vec<u8>| Label::from_bytes(&member))
}

/// The texts of a JSON object; empty where it has none. `None` if it is no JSON.
fn members<const N: usize>(text: &[u8], shape: &'static Shape<usize>) -> Option<[Vec<u8>; N]>
where
    [Vec<u8>; N]: Default,
{
    let mut texts = Texts(<[Vec<u8>; N]>::default());
    let mut scanner = Scanner::new(shape);
    scanner.feed(text, &mut texts).and_then(|()| scanner.finish(&mut texts)).ok()?;
    Some(texts.0)
}

struct Texts<const N: usize>([Vec<u8>; N]);

impl<const N: usize> Sink<usize> for Texts<N> {
    fn value(&mut self, slot: usize, value: Value<'_>, _: Range<u64>) {
        if let (Value::Text { raw, .. }, Some(place)) = (value, self.0.get_mut(slot)) {
            *place = unescape(raw).unwrap_or_default().into_bytes();
        }
    }
}

/// The client's name: what stands first in its `user-agent`, without the version, in lower case.
pub(super) fn client(user_agent: &[u8]) -> Option<Label> {
    let is_plain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let user_agent = user_agent.trim_ascii();
    let length = user_agent.iter().take(CLIENT_BYTES).take_while(is_plain).count();
    user_agent.get(..length).and_then(Label::in_lower_case)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ACCOUNT: &str = "11111111-2222-3333-4444-555555555555";
    const SESSION: &str = "66666666-7777-8888-9999-aaaaaaaaaaaa";

    fn text(label: Option<Label>) -> String {
        label.map(|label| label.to_string()).unwrap_or_default()
    }

    fn named_by(id: &str) -> (String, String) {
        let quoted = serde_json::to_string(id).unwrap();
        let BodyAttribution { user, session } =
            BodyAttribution::read(&quoted.as_bytes()[1..quoted.len() - 1]);
        (text(user), text(session))
    }

    /// What Claude Code writes.
    fn id(account: &str) -> String {
        format!(r#"{{"device_id":"{DEVICE}","account_uuid":"{account}","session_id":"{SESSION}"}}"#)
    }

    #[test]
    fn the_user_of_claude_code_is_the_account_or_else_the_device() {
        assert_eq!(named_by(&id(ACCOUNT)), (ACCOUNT.into(), SESSION.into()));
        assert_eq!(named_by(&id("")), (DEVICE.into(), SESSION.into()));
        let older = format!("user_{DEVICE}_account_{ACCOUNT}_session_{SESSION}");
        assert_eq!(named_by(&older), (ACCOUNT.into(), SESSION.into()));
        assert_eq!(named_by(&older.replace(ACCOUNT, "")), (DEVICE.into(), SESSION.into()));
    }

    #[test]
    fn another_user_id_is_taken_as_it_is() {
        for id in ["ann", "user_7", "user_7_account_8", "{ann}", "{}", r#"{"device_id":7}"#, "[1]"] {
            let quoted = serde_json::to_string(id).unwrap();
            assert_eq!(named_by(id), (quoted[1..quoted.len() - 1].to_owned(), String::new()), "{id}");
        }
        assert_eq!(named_by(""), (String::new(), String::new()));
    }

    #[test]
    fn a_user_id_that_is_longer_than_any_of_a_client_is_not_taken_apart() {
        let long = format!(r#"{{"pad":"{}","account_uuid":"a"}}"#, "x".repeat(TEXT_BYTES));
        let (user, session) = named_by(&long);
        assert_eq!((user.len(), session.as_str()), (128, ""));
    }

    #[test]
    fn codex_names_agent_and_session_in_its_metadata() {
        let [agent, session] =
            turn(br#"{"session_id":"s-1","agent_name":"r\u00e9viewer","turn_id":"t","x":{}}"#);
        assert_eq!((text(agent), text(session)), ("r??viewer".into(), "s-1".into()));
        for other in ["", "{", "[]", "7", r#"{"agent_name":null,"session_id":[1]}"#] {
            assert_eq!(turn(other.as_bytes()), [None, None], "{other}");
        }
    }

    #[test]
    fn a_clients_name_is_the_first_word_of_its_user_agent() {
        for (agent, name) in [
            ("claude-cli/2.1.332 (external, cli)", "claude-cli"),
            ("codex_cli_rs/0.171.0 (Linux)", "codex_cli_rs"),
            ("OpenAI/Python 3.57.0", "openai"),
            ("curl", "curl"),
            ("@x/y", ""),
            ("évil", ""),
            ("", ""),
        ] {
            assert_eq!(text(client(agent.as_bytes())), name, "{agent}");
        }
        assert_eq!(text(client("A".repeat(500).as_bytes())), "a".repeat(CLIENT_BYTES));
    }
}
