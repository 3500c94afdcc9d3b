//! Which of several targets is first, and which are kept apart.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::base::hash::{EMPTY, fnv1a};

/// Draws of every property.
const DRAWS: u32 = 4_000;

/// Where chat completions with the model `m` may go: first the usual targets, then those for long prompts.
fn plan(config: &Config, draw: u64) -> Result<(Vec<String>, Vec<String>), RouteError> {
    let plan = route_to(config, &config.keys["a"], "m", Api::OpenAi, draw)?;
    let models = |targets: Vec<Destination>| targets.into_iter().map(|target| target.model).collect();
    Ok((models(plan.targets), models(plan.long)))
}

fn config_of(targets: Value) -> Config {
    testing::config(|json| json["models"]["m"] = targets)
}

/// Hashes of request ids, as the filter draws with.
fn draws() -> impl Iterator<Item = u64> {
    (0..DRAWS).map(|number| fnv1a(EMPTY, format!("7f0e1c1a-{number:06}").as_bytes()))
}

#[test]
fn without_weights_the_order_is_the_one_that_is_written_whatever_is_drawn() {
    let targets =
        json!([{"provider": "one", "model": "x"}, {"provider": "dead"}, {"provider": "one", "model": "y"}]);
    let config = config_of(targets);
    for draw in [0, 1, u64::MAX].into_iter().chain(draws()) {
        assert_eq!(plan(&config, draw), Ok((vec!["x".into(), "y".into()], vec![])));
    }
}

#[test]
fn the_same_draw_leads_to_the_same_target() {
    let config = config_of(json!([
        {"provider": "one", "model": "x", "weight": 1}, {"provider": "one", "model": "y", "weight": 1},
    ]));
    for draw in draws() {
        assert_eq!(plan(&config, draw), plan(&config, draw));
    }
}

#[test]
fn a_target_without_a_weight_is_first_only_if_no_other_is_available() {
    let config = |provider: &str| {
        config_of(json!([
            {"provider": "one", "model": "spare"}, {"provider": provider, "model": "x", "weight": 1},
        ]))
    };
    let (alive, dead) = (config("one"), config("dead"));
    for draw in draws() {
        assert_eq!(plan(&alive, draw), Ok((vec!["x".into(), "spare".into()], vec![])));
        assert_eq!(plan(&dead, draw), Ok((vec!["spare".into()], vec![])));
    }
}

#[test]
fn the_weight_of_a_target_that_is_not_available_or_speaks_another_dialect_goes_to_the_others() {
    let config = config_of(json!([
        {"provider": "dead", "model": "x", "weight": 100},
        {"provider": "two", "model": "y", "weight": 100},
        {"provider": "one", "model": "z", "weight": 1},
    ]));
    for draw in draws() {
        assert_eq!(plan(&config, draw), Ok((vec!["z".into()], vec![])));
    }
}

#[test]
fn targets_for_long_prompts_are_kept_apart_in_their_order() {
    let config = config_of(json!([
        {"provider": "one", "model": "long-1", "after": "context_length"},
        {"provider": "one", "model": "x", "weight": 1},
        {"provider": "dead", "model": "long-2", "after": "context_length"},
        {"provider": "two", "model": "long-3", "after": "context_length"},
        {"provider": "one", "model": "y"},
        {"provider": "one", "after": "context_length"},
    ]));
    for draw in draws() {
        let long = vec!["long-1".into(), "m".into()];
        assert_eq!(plan(&config, draw), Ok((vec!["x".into(), "y".into()], long)));
    }
}

#[test]
fn a_model_is_not_available_through_its_targets_for_long_prompts() {
    let with_first = |provider: &str| {
        config_of(json!([
            {"provider": provider}, {"provider": "one", "model": "long", "after": "context_length"},
        ]))
    };
    let dead = with_first("dead");
    assert_eq!(plan(&dead, 0), Err(RouteError::Unavailable { model: "m".into() }));
    assert!(!usable_models(&dead, &dead.keys["a"]).contains(&"m".to_owned()));
    assert_eq!(plan(&with_first("two"), 0), Err(RouteError::NotServed { model: "m".into() }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_target_is_first_as_often_as_its_weight_says_and_the_others_keep_their_order(
        weights in prop::collection::vec(prop::option::of(1u32..=100), 1..6), salt in any::<u64>()
    ) {
        let targets: Vec<Value> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| {
                let mut target = json!({"provider": "one", "model": index.to_string()});
                if let Some(weight) = weight {
                    target["weight"] = json!(weight);
                }
                target
            })
            .collect();
        let config = config_of(json!(targets));
        let total: u32 = weights.iter().flatten().sum();
        let mut first = vec![0u32; weights.len()];
        for draw in draws() {
            let (order, _) = plan(&config, fnv1a(draw, &salt.to_le_bytes())).unwrap();
            let order: Vec<usize> = order.iter().map(|model| model.parse().unwrap()).collect();
            first[order[0]] += 1;
            let mut rest: Vec<usize> = (0..weights.len()).collect();
            rest.retain(|index| *index != order[0]);
            prop_assert_eq!(&order[1..], &rest);
        }
        for (index, weight) in weights.iter().enumerate() {
            let share = match weight {
                Some(weight) => f64::from(*weight) / f64::from(total),
                None => f64::from(u8::from(total == 0 && index == 0)),
            };
            let expected = share * f64::from(DRAWS);
            // Six standard deviations of a draw that is fair, and one for small numbers.
            let allowed = 6.0 * (expected * (1.0 - share)).sqrt() + 1.0;
            let found = f64::from(first[index]);
            prop_assert!((found - expected).abs() <= allowed, "{index} of {weights:?}: {found}, not {expected}");
        }
    }
}
