//! Decides how an answer's report of what was used is made odd: where it stands, how often, and what it says.

use super::answers::{Case, Price};
use super::endpoints::Shape;
use super::word;
use super::world::DEAR_SENT;
use farebox_readers::dice::Dice;

/// Members that are reports.
const REPORTS: [&str; 5] = ["usage", "usageMetadata", "meta", "prompt_eval_count", "eval_count"];

/// Makes the report odd.
pub fn odd(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    if case.streamed && case.endpoint.answer == Shape::Converse {
        return None;
    }
    let at = case.answer.events.iter().rposition(|event| {
        let text = String::from_utf8_lossy(event);
        REPORTS
            .iter()
            .any(|name| text.contains(&format!("\"{name}\":{{")) || text.contains("prompt_eval_count"))
    })?;
    let report = String::from_utf8_lossy(&case.answer.events[at]).into_owned();
    let what = match dice.below(9) {
        0 if case.streamed => {
            case.answer.events.insert(at, report.clone().into_bytes());
            return Some("the same report twice");
        }
        1 if case.streamed => {
            case.answer.events.insert(at + 1, digits(&report, |_| "0".into()).into_bytes());
            return Some("zeros after the report");
        }
        2 if case.streamed && case.endpoint.answer == Shape::Chat => {
            case.answer.events.push(report.clone().into_bytes());
            case.answer.events.remove(at);
            return Some("the report after the end");
        }
        3 => {
            let value =
                word(dice, &["9000000000000", "18446744073709551615", "99999999999999999999999", "1e300"]);
            case.answer.events[at] = digits(&report, |_| value.to_owned()).into_bytes();
            case.price = Price::Seen;
            return Some("an absurd report");
        }
        4 => {
            let value = word(dice, &["-5", "\"12\"", "1.5", "null", "{}", "true", "[3]"]);
            case.answer.events[at] = digits(&report, |_| value.to_owned()).into_bytes();
            case.price = Price::Seen;
            return Some("a report of another kind");
        }
        5 => {
            let renamed = ["usageMetadata", "usage", "meta", "prompt_eval_count", "eval_count"]
                .iter()
                .fold(report.clone(), |text, name| text.replace(&format!("\"{name}\":"), "\"odd\":"));
            case.answer.events[at] = renamed.into_bytes();
            case.price = Price::Seen;
            return Some("no report");
        }
        6 if matches!(case.endpoint.answer, Shape::Chat | Shape::Responses) => {
            case.answer.events[at] =
                report.replacen("\"usage\":{", "\"service_tier\":\"ultra-odd\",\"usage\":{", 1).into_bytes();
            case.price = Price::AtLeast;
            return Some("a tier that nobody knows");
        }
        7 if case.answer.events.len() == 1 && report.contains("\"model\":\"tiny-sent\"") => {
            let named = format!("\"model\":\"{DEAR_SENT}\"");
            case.answer.events[at] = report.replace("\"model\":\"tiny-sent\"", &named).into_bytes();
            case.price = Price::AtLeast;
            return Some("another model");
        }
        _ if case.endpoint.answer == Shape::Chat && report.contains("\"choices\":[]") => {
            let usage = report.split("\"usage\":").nth(1).map(str::to_owned);
            let usage = usage.and_then(|rest| rest.split_once('}').map(|(inside, _)| format!("{inside}}}")));
            let usage = usage?;
            let moved = format!(
                "\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":null,\"usage\":{usage}}}]"
            );
            let without = report.replace(&format!("\"usage\":{usage}"), "\"odd\":1");
            case.answer.events[at] = without.replace("\"choices\":[]", &moved).into_bytes();
            "the report in a choice"
        }
        _ => return None,
    };
    Some(what)
}

/// The text of a report with its numbers changed: those that follow a name with `oken` or `count` in it.
fn digits(report: &str, change: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = report;
    while let Some(end) = rest.find("\":") {
        let name_from = rest[..end].rfind('"').map_or(0, |from| from + 1);
        let name = rest[name_from..end].to_ascii_lowercase();
        out += &rest[..end + 2];
        rest = &rest[end + 2..];
        let number: usize = rest.bytes().take_while(u8::is_ascii_digit).count();
        if number > 0 && (name.contains("oken") || name.contains("count")) {
            out += &change(&rest[..number]);
            rest = &rest[number..];
        }
    }
    out + rest
}
