//! Odd requests and odd answers against the real Envoy: a few in every run, 20,000 of each by `make odd`.

use farebox_tests::odd::{Plan, answering, run};

/// Kinds of findings that are known and still open, by how they begin and what they have in them. A line goes
/// with what mends it; none may be added for something that was right before.
const OPEN_REQUESTS: &[(&str, &str)] = &[];

/// The same for answers.
const OPEN_ANSWERS: &[(&str, &str)] = &[];

#[tokio::test(flavor = "multi_thread")]
async fn no_odd_request_gets_in_spends_or_is_charged_through_a_form_that_nobody_thought_of() {
    let plan = Plan::from_environment(1_500);
    run::requests(plan).await.none_but(plan.seed, OPEN_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_odd_answer_is_free_or_too_dear_or_reaches_its_caller_changed() {
    let plan = Plan::from_environment(1_500);
    answering::answers(plan).await.none_but(plan.seed, OPEN_ANSWERS);
}
