//! Odd requests and odd answers against the real Envoy: a few in every run, 20,000 of each by `make odd`.

use farebox_tests::odd::{Plan, answering, run};

#[ignore = "finds what is being mended"]
#[tokio::test(flavor = "multi_thread")]
async fn no_odd_request_gets_in_spends_or_is_charged_through_a_form_that_nobody_thought_of() {
    let plan = Plan::from_environment(1_500);
    run::requests(plan).await.none(plan.seed);
}

#[ignore = "finds what is being mended"]
#[tokio::test(flavor = "multi_thread")]
async fn no_odd_answer_is_free_or_too_dear_or_reaches_its_caller_changed() {
    let plan = Plan::from_environment(1_500);
    answering::answers(plan).await.none(plan.seed);
}
