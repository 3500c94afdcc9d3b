//! Ids that were bound are read by the team that they were given to, whatever pieces they came in.

use serde_json::json;

use super::*;
use crate::config::testing;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn accounts() -> ProviderAccounts {
    let config = testing::config(|json| {
        json["providers"]["pool"] =
            json!({"preset": "openai", "credentials": [{"env": "KEY_ONE"}, {"env": "KEY_TWO"}]});
        json["providers"]["signed"] = json!({"preset": "openai", "credentials": "envoy"});
    });
    config.provider_accounts
}

fn signer(accounts: &ProviderAccounts, team: &str, key: usize, by_lines: bool) -> Signer {
    Signer::new(Rc::clone(accounts.of("pool", key).unwrap()), team, by_lines)
}

const PLAIN: &str = r#"{"id": "resp_1", "object":"response","metadata":{"id":"mine","a":{"item_id":"b"}},"output":[
  {"type":"reasoning","id":"rs_2","encrypted_content":"gAAA/+=","summary":[]},
  {"id":"msg_3","content":[{"text":"say \"id\":\"x\" or \\","type":"output_text"}]}],
  "tools":[{"id":"t"}],"prompt":{"id":"pmpt_1"},"previous_response_id":null,"id":"\u0061","item_id":""}"#;

#[test]
fn ids_of_an_answer_are_bound_and_nothing_else_is_changed() {
    let accounts = accounts();
    let signed = signer(&accounts, "red", 1, false).sign(PLAIN.as_bytes()).unwrap();
    let found: Vec<_> = candidates(&signed).into_iter().map(|at| &signed[at]).collect();
    let read: Vec<_> = found.iter().map(|id| accounts.read("red", id).unwrap()).collect();
    assert!(read.iter().all(|(account, _)| (account.provider(), account.key()) == ("pool", 1)));
    let ids: Vec<_> = found.iter().zip(&read).map(|(id, (_, length))| &id[..*length]).collect();
    assert_eq!(ids, [&b"resp_1"[..], b"rs_2", b"gAAA/+=", b"msg_3"]);
    let mut plain = signed.clone();
    for at in candidates(&signed).into_iter().rev() {
        let id = &signed[at.clone()];
        plain.drain(at.start + accounts.read("red", id).unwrap().1..at.end);
    }
    assert_eq!(String::from_utf8(plain).unwrap(), PLAIN);
    for id in found {
        assert!(accounts.read("green", id).is_none(), "another team's");
        let mut other = id.to_vec();
        other[0] ^= 1;
        assert!(accounts.read("red", &other).is_none(), "another id");
    }
}

#[test]
fn an_answer_is_bound_alike_in_whatever_pieces_it_comes() {
    let accounts = accounts();
    let long = format!(r#"{{"item":{{"id":"rs_1","encrypted_content":"{}"}}}}"#, "Ab+/".repeat(200));
    let stream = format!(
        ": \"id\":\"\ndata: {{\"response\":{{\"id\":\"resp_1\"}}}}\n\nevent: x\ndata: {{\"item_id\":\"msg_1\",\"delta\":\"a\"}}\n\n\
         data: {{\"item_id\":\"msg_1\",\"delta\":\"\\\"id\\\":\"}}\n\ndata: {long}\n\ndata: [DONE]\n\n"
    );
    for (text, by_lines) in [(PLAIN, false), (&*stream, true)] {
        let whole = signer(&accounts, "red", 0, by_lines).sign(text.as_bytes()).unwrap();
        for at in 0..=text.len() {
            let mut signer = signer(&accounts, "red", 0, by_lines);
            let (one, two) = text.as_bytes().split_at(at);
            let mut pieces = signer.sign(one).unwrap_or_else(|| one.to_vec());
            pieces.extend(signer.sign(two).unwrap_or_else(|| two.to_vec()));
            assert_eq!(pieces, whole, "cut at {at}");
        }
    }
    let signed = signer(&accounts, "red", 0, true).sign(stream.as_bytes()).unwrap();
    assert_eq!(candidates(&signed).len(), 5);
    assert!(candidates(&signed).into_iter().all(|at| accounts.read("red", &signed[at]).is_some()));
}

#[test]
fn what_is_no_answer_to_a_question_is_left_alone() {
    let accounts = accounts();
    for text in
        ["", "plain", "\"", "{\"a\":\"id\"}", "data: {\"type\":\"x\",\"delta\":\"id\"}\n\n", "[\"id\",\"x\"]"]
    {
        assert_eq!(signer(&accounts, "red", 0, true).sign(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn no_more_ids_of_a_request_are_looked_at_than_a_conversation_has() {
    let one = format!("\"x~fb1~{}\",", "A".repeat(LETTERS));
    assert_eq!(candidates(one.repeat(3).as_bytes()).len(), 3);
    assert_eq!(candidates(one.repeat(2 * MAX_IDS).as_bytes()).len(), MAX_IDS);
}

#[test]
fn an_account_without_a_key_can_be_bound_to_with_a_secret_only() {
    assert!(accounts().of("signed", 0).is_none());
    let config = testing::config(|json| {
        json["providers"]["signed"] = json!({"preset": "openai", "credentials": "envoy"});
        json["requests"] = json!({"stored_state_secret": {"env": "KEY_ONE"}});
    });
    let account = config.provider_accounts.of("signed", 0).unwrap();
    let id = [b"resp_1".to_vec(), account.suffix("red", b"resp_1")].concat();
    assert!(config.provider_accounts.read("red", &id).is_some());
    assert!(accounts().read("red", &id).is_none(), "another secret");
}
