//! What must not be said: keys, prompts and answers, in logs, records, metrics and replies.

use super::*;
use crate::fake_host::{BAD_ARGUMENT, Call, advance, fail, heal, logs, metric_names};

const PROMPT: &str = "the-words-of-the-prompt";
const SAID: &str = "the-words-of-the-answer";

/// Everything that the filter tells about these requests.
fn told(vm: &FakeVm) -> String {
    let body = format!("{{\"model\":\"fast\",\"stream\":true,\"messages\":[\"{PROMPT}\"]}}");
    let broken = format!("{{\"model\":\"{}\",\"messages\":[\"{PROMPT}\"", key_text("demo"));
    let mut told = vec![];
    for (fails, status, body) in [
        (None, 200, &body),
        (None, 401, &body),
        (None, 200, &broken),
        (Some(Call::ReplaceHeader), 200, &body),
        (Some(Call::SetBuffer), 200, &body),
        (Some(Call::SetShared), 200, &body),
        (Some(Call::GetShared), 200, &body),
    ] {
        let mut stream = vm.stream();
        stream.request(chat(), false);
        fails.iter().for_each(|call| fail(*call, BAD_ARGUMENT));
        stream.body(body.as_bytes(), true);
        heal();
        if stream.sent().is_some() {
            stream.answer(status, EVENTS, false);
            stream
                .answer_body(format!("data: {{\"error\":\"{SAID}\"}}\n\ndata: {SAID}\n\n").as_bytes(), true);
        } else {
            told.push(format!("{:?}", stream.response()));
        }
        fail(Call::SetShared, BAD_ARGUMENT);
        told.push(stream.log().to_string());
        heal();
        vm.tick();
    }
    let mut waiting = held(vm);
    advance(60_000);
    vm.tick();
    told.push(format!("{:?}", waiting.response()));
    told.extend(logs());
    told.extend(metric_names());
    told.join("\n")
}

#[test]
fn no_key_no_prompt_and_no_answer_is_told_to_anybody() {
    let vm = start();
    assert!(!vm.push(&config(|json| json["providers"]["paid"]["dialect"] = "x".into())));
    let told = told(&vm);
    for secret in [PROVIDER_SECRET, "the-secret-of", PROMPT, SAID] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(told.contains("p-1") && told.contains("configuration refused"), "{told}");
}

#[test]
fn a_secret_that_stands_where_its_name_should_is_not_repeated() {
    let vm = start();
    let wrong = json!([{"env": PROVIDER_SECRET}]);
    assert!(!vm.push(&config(|json| json["providers"]["paid"]["credentials"] = wrong)));
    assert!(logs().iter().all(|line| !line.contains(PROVIDER_SECRET)), "{:?}", logs());
}

#[test]
fn a_client_gets_no_credential_back() {
    let vm = start();
    let mut stream = admitted(&vm, RENAMED);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let response = stream.response().unwrap();
    let headers: Vec<u8> =
        response.headers.iter().flat_map(|(name, value)| [&name[..], b": ", value].concat()).collect();
    let sent = String::from_utf8_lossy(&[headers, response.body.clone()].concat()).into_owned();
    assert!(sent.contains("application/json") && !sent.contains(PROVIDER_SECRET), "{sent}");
    assert!(!format!("{}", stream.log()).contains(PROVIDER_SECRET));
}
