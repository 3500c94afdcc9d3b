//! Bytes, orders of events and hosts that nobody meant: nothing panics, and no money goes astray.

use proptest::prelude::*;
use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{Call, advance, fail_after, heal};

/// Header values and bodies of any bytes, often near to something that means something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "",
        "POST",
        "GET",
        "/v1/chat/completions",
        "/v1/messages",
        "/farebox/usage",
        "Bearer fb_demo_",
        "fb_",
        PLAIN,
        RENAMED,
        STREAMED,
        ANSWER,
        "text/event-stream",
        "application/json",
        "data: {\"usage\":{}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":99999999999999999999}}\n\n",
        "4096",
        "-1",
        "%ff",
        "a=%",
    ]);
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    (known, noise.clone(), any::<bool>()).prop_map(|(known, noise, whole)| {
        if whole { known.as_bytes().to_vec() } else { [&noise, known.as_bytes(), &noise].concat() }
    })
}

fn headers() -> impl Strategy<Value = Pairs> {
    let name = prop::sample::select(vec![
        ":method",
        ":path",
        ":authority",
        ":status",
        "authorization",
        "x-api-key",
        "x-request-id",
        "baggage",
        "content-length",
        "content-type",
        "content-encoding",
        "x-farebox-agent",
        "x-farebox-\u{e9}",
        "x-stainless-retry-count",
        "x-acme-session-id",
        "",
    ]);
    prop::collection::vec((name.prop_map(|name| name.as_bytes().to_vec()), bytes()), 0..8)
}

/// Something that happens to a stream.
#[derive(Clone, Debug)]
enum Event {
    Body(Vec<u8>, bool),
    GoodBody(bool),
    Trailers,
    Answer(u32, Pairs, bool),
    LocalAnswer(u32),
    AnswerBody(Vec<u8>, bool),
    AnswerTrailers,
    Flags(u64),
    Tick(u64),
    Push,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (bytes(), any::<bool>()).prop_map(|(bytes, end)| Event::Body(bytes, end)),
        any::<bool>().prop_map(Event::GoodBody),
        Just(Event::Trailers),
        (any::<u32>(), headers(), any::<bool>())
            .prop_map(|(status, head, end)| Event::Answer(status, head, end)),
        (100u32..600).prop_map(Event::LocalAnswer),
        (bytes(), any::<bool>()).prop_map(|(bytes, end)| Event::AnswerBody(bytes, end)),
        Just(Event::AnswerTrailers),
        any::<u64>().prop_map(Event::Flags),
        (0u64..40_000).prop_map(Event::Tick),
        Just(Event::Push),
    ]
}

fn happen(vm: &FakeVm, stream: &mut Stream, event: Event) {
    match event {
        Event::Body(bytes, end) => {
            stream.body_anyway(&bytes, end);
        }
        Event::GoodBody(streamed) => {
            stream.body_anyway(if streamed { STREAMED } else { RENAMED }.as_bytes(), true);
        }
        Event::Trailers => {
            stream.trailers();
        }
        Event::Answer(status, headers, end) => {
            stream.respond(status, headers, end);
        }
        Event::LocalAnswer(status) => stream.envoy_answers(status, "some_reason", 0),
        Event::AnswerBody(bytes, end) => stream.answer_body(&bytes, end),
        Event::AnswerTrailers => stream.answer_trailers(),
        Event::Flags(flags) => stream.reset(flags),
        Event::Tick(ms) => {
            advance(ms);
            vm.tick();
        }
        Event::Push => {
            vm.push(&config(|json| json["unpriced"] = "allow".into()));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_through_the_whole_life_of_a_request_are_survived(
        request in headers(), body in bytes(), answer in headers(), pieces in prop::collection::vec(bytes(), 0..4),
    ) {
        let vm = start();
        let mut stream = vm.stream();
        let mut head = chat();
        head.extend(request.into_iter().filter(|(name, _)| !name.starts_with(b":") && name != b"x-api-key"));
        stream.request(head, false);
        stream.body(&body, true);
        if stream.sent().is_some() {
            stream.respond(200, answer, false);
            pieces.iter().for_each(|piece| stream.answer_body(piece, false));
            stream.answer_body(b"", true);
        }
        let record = stream.log();
        prop_assert!(record["outcome"].is_string());
        prop_assert_eq!(team(&vm).1, nothing());
    }

    #[test]
    fn whatever_happens_to_a_stream_in_any_order_it_is_charged_at_most_once_and_holds_nothing(
        request in prop::option::of(prop_oneof![Just(chat()), headers()]),
        events in prop::collection::vec(event(), 0..12),
    ) {
        let vm = start();
        let mut stream = vm.stream();
        if let Some(request) = request {
            stream.request(request, false);
        }
        for event in events {
            happen(&vm, &mut stream, event);
        }
        stream.log();
        let (spent, held) = team(&vm);
        prop_assert_eq!(held, nothing());
        prop_assert!(spent["requests"] == 0 || spent["requests"] == 1, "{}", spent);
    }

    #[test]
    fn a_host_that_fails_at_any_call_brings_nothing_down(
        events in prop::collection::vec(event(), 0..8),
        failures in prop::collection::vec((prop::sample::select(Call::ALL.to_vec()), 0u32..4, 1u32..13), 1..4),
    ) {
        let vm = start();
        let mut stream = vm.stream();
        for (call, passes, status) in failures {
            fail_after(passes, call, status);
        }
        stream.request(chat(), false);
        for event in [Event::GoodBody(true)].into_iter().chain(events) {
            happen(&vm, &mut stream, event);
        }
        stream.log();
        heal();
        vm.tick();
        let (spent, held) = team(&vm);
        prop_assert!(spent["requests"] == 0 || spent["requests"] == 1, "{}", spent);
        prop_assert!(held["requests"] == 0 || held["requests"] == 1, "{}", held);
    }

    #[test]
    fn a_request_by_a_stranger_never_goes_on(mut request in headers(), body in bytes()) {
        let vm = start();
        request.retain(|(_, value)| !String::from_utf8_lossy(value).contains(&key_text("demo")));
        let mut stream = vm.stream();
        prop_assert_eq!(stream.request(request, false), Action::Pause);
        prop_assert_eq!(stream.body(&body, true), Action::Pause);
        prop_assert!(stream.sent().is_none() && stream.replies() == 1);
    }
}
