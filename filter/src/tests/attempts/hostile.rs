//! Attempts of which anything may come, on a host of which any call may fail. A host that says that something is not
//! there (status 1) is believed: without a plan a request has one attempt.

use proptest::prelude::*;

use super::*;

/// What may come of an attempt.
#[derive(Clone, Debug)]
enum Outcome {
    Nothing,
    Answer(u32, Pairs, bool),
    Body(Vec<u8>, bool),
    Trailers,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let name = prop::sample::select(vec![
        ":status",
        "content-type",
        "content-encoding",
        "content-length",
        "retry-after",
        "retry-after-ms",
        "x-envoy-ratelimited",
        "",
    ]);
    let value = prop::sample::select(vec![
        &b"text/event-stream"[..],
        b"application/json",
        b"1",
        b"-1",
        b"99999999999999999999999",
        b"200",
        b"\xff",
        b"",
    ]);
    let body = prop_oneof![
        prop::sample::select(vec![
            OVERLOADED,
            TOKEN,
            &b"\"retryDelay\":\"9s"[..],
            b"context_length_exceeded",
            b""
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let pairs = prop::collection::vec(
        (name.prop_map(|name| name.as_bytes().to_vec()), value.prop_map(<[u8]>::to_vec)),
        0..5,
    );
    let status = prop_oneof![prop::sample::select(vec![200u32, 400, 401, 408, 429, 500, 529]), any::<u32>()];
    prop_oneof![
        Just(Outcome::Nothing),
        (status, pairs, any::<bool>()).prop_map(|(status, pairs, end)| Outcome::Answer(status, pairs, end)),
        (body, any::<bool>()).prop_map(|(body, end)| Outcome::Body(body, end)),
        Just(Outcome::Trailers),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_of_attempts_on_whatever_host_none_is_sent_with_what_is_meant_for_another(
        attempts in prop::collection::vec((prop::collection::vec(outcome(), 0..5), any::<bool>()), 1..5),
        failures in prop::collection::vec((prop::sample::select(Call::ALL.to_vec()), 0u32..30, 2u32..13), 0..3),
        model in prop::sample::select(vec!["both", "long", "three"]),
    ) {
        let mut setting = Setting::new(&ASKED.replace("both", model));
        for (call, passes, status) in failures {
            fail_after(passes, call, status);
        }
        for (outcomes, trailers) in attempts {
            let mut attempt = setting.attempt();
            attempt.request(&setting.body(), trailers);
            assert_meant(&attempt);
            for outcome in outcomes {
                match outcome {
                    Outcome::Nothing => {}
                    Outcome::Answer(status, mut pairs, end) => {
                        pairs.insert(0, (b":status".to_vec(), status.to_string().into()));
                        attempt.answer_pairs(pairs, end);
                    }
                    Outcome::Body(body, end) => drop(attempt.answer_body(&body, end)),
                    Outcome::Trailers => drop(attempt.answer_trailers()),
                }
            }
        }
        heal();
        let record = setting.stream.log();
        prop_assert!(record["attempts"].is_array(), "{}", record);
        prop_assert_eq!(team(&setting.gateway).1, nothing());
    }
}
