//! Decides what an odd request is: an endpoint, a key, a model, and what is odd about them.

use super::bodies::{self, Members};
use super::endpoints::{ENDPOINTS, Endpoint};
use super::world::{BLUE, CHEAP, CHEAP_SENT, DEAR, DEAR_SENT, RED};
use super::{Plan, chance, forms, framing, heads, mark, pick};

/// An odd request.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number.
    pub number: u64,
    /// What is odd about it.
    pub what: String,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Whether its key may use the cheap model alone.
    pub limited: bool,
    /// Whether it is in the strict budget.
    pub strict: bool,
    /// What is sent.
    pub bytes: Vec<u8>,
}

impl Case {
    /// The case with this number.
    #[must_use]
    pub fn of(plan: Plan, number: u64) -> Self {
        let mut dice = plan.dice(number);
        let dice = &mut dice;
        let endpoint = *pick(dice, &ENDPOINTS);
        let limited = chance(dice, 60);
        let key = if limited { RED } else { BLUE };
        let model = if limited || chance(dice, 60) { CHEAP } else { DEAR };
        let other =
            if model == CHEAP { *pick(dice, &[DEAR, DEAR_SENT]) } else { *pick(dice, &[CHEAP, CHEAP_SENT]) };
        let text = format!("{}{}", mark(number), *pick(dice, &["Where to?", "Grüße 🚋", "\\\"}{[", ""]));
        let mut what: Vec<&str> = Vec::new();
        // Some are left as they are: a good request is answered, whoever else is odd.
        let odd = chance(dice, 95);
        let pictures = endpoint.answer == super::endpoints::Shape::Media;
        let strict = !pictures && chance(dice, 50);
        let (content_type, body) = if endpoint.form {
            let odd_form = odd && chance(dice, 90);
            let form = forms::form(dice, model, other, &mark(number), odd_form);
            what.extend(&form.what);
            (form.content_type, form.body)
        } else {
            let mut members = endpoint.members(model, &text);
            if chance(dice, 20) {
                bodies::wish_for_stream(dice, &mut members);
            }
            (
                (*pick(dice, &JSON_TYPES[..if odd { 8 } else { 1 }])).to_owned(),
                json(dice, &mut members, other, odd, &mut what),
            )
        };
        let mut headers = vec![
            (
                "host".to_owned(),
                (*pick(dice, &["gateway", "other.internal", "openai.example.com:444", "169.254.169.254"]))
                    .to_owned(),
            ),
            credential(dice, key),
            ("content-type".to_owned(), content_type),
            ("x-farebox-workflow".to_owned(), mark(number)),
            ("user-agent".to_owned(), "odd/1".to_owned()),
        ];
        if strict {
            headers.push(("x-farebox-session".to_owned(), mark(number)));
        }
        let mut path = endpoint.path_for(model);
        if odd && chance(dice, 25) {
            what.push(heads::odd_headers(dice, &mut headers));
        }
        if odd && chance(dice, if endpoint.path.contains("{m}") { 25 } else { 8 }) {
            let (odd, how) = heads::odd_path(dice, &endpoint, model);
            path = odd;
            what.push(how);
        }
        if endpoint.name == "gemini stream" && chance(dice, 80) {
            path += "?alt=sse";
        } else if odd && chance(dice, 20) {
            let (query, how) = heads::odd_query(dice, &endpoint, key);
            path = format!("{path}?{query}");
            what.push(how);
        }
        let odd_frame = odd && chance(dice, 30);
        let (bytes, how) = framing::framed(dice, &path, &headers, &body, odd_frame);
        what.extend(how);
        Self { number, what: what.join(", "), endpoint, limited, strict, bytes }
    }
}

/// What a JSON body may call itself.
const JSON_TYPES: [&str; 8] = [
    "application/json",
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=b",
    "APPLICATION/JSON;charset=\"utf-8\"",
    "application/x-protobuf",
];

fn credential(dice: &mut farebox_readers::dice::Dice, key: &str) -> (String, String) {
    match dice.below(6) {
        0 => ("x-api-key".into(), key.to_owned()),
        1 => ("api-key".into(), key.to_owned()),
        2 => ("x-goog-api-key".into(), key.to_owned()),
        3 => ("Authorization".into(), format!("bearer {key}")),
        _ => ("authorization".into(), format!("Bearer {key}")),
    }
}

fn json(
    dice: &mut farebox_readers::dice::Dice,
    members: &mut Members,
    other: &str,
    odd: bool,
    what: &mut Vec<&'static str>,
) -> Vec<u8> {
    let mut second = members.clone();
    if let Some((_, value)) = second.iter_mut().find(|(name, _)| name == "\"model\"") {
        *value = format!("\"{other}\"");
    }
    if odd {
        for _ in 0..dice.below(3) {
            what.push(bodies::odd_members(dice, members, other));
        }
    }
    let text = bodies::written(members);
    if odd && chance(dice, 25) {
        let (bytes, how) = bodies::odd_text(dice, &text, &bodies::written(&second));
        what.push(how);
        return bytes;
    }
    text.into_bytes()
}
