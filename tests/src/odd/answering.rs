//! Sends requests whose answers are odd, and judges what they cost and what of them reached the caller.

use super::answers::{Answer, Case, Framing, Price, WORD};
use super::findings::Findings;
use super::heads::LEAK;
use super::lenient;
use super::run::{Sent, records, send, settled};
use super::verdict::{charged, cost};
use super::wire::{End, Received};
use super::world::{self, CHEAP_SENT};
use super::{Plan, marked};
use crate::provider::{Provider, Request};
use crate::script::{Reply, Step};
use serde_json::Value;
use std::time::Duration;

/// Output that nobody is charged beyond if no report was read: what is held at most, and a good deal more.
const PLAUSIBLE: u64 = 4_500;
/// Output that must be charged at least where nothing could be read, if the request allowed as much.
const LEAST_HELD: u64 = 30;

fn script(plan: Plan) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let number = marked(&request.body).unwrap_or_default();
        reply(&Case::of(plan, number).answer)
    }
}

fn reply(answer: &Answer) -> Reply {
    let body = answer.body();
    let mut headers: Vec<(&str, String)> = Vec::new();
    if let Some(kind) = &answer.content_type {
        headers.push(("content-type", kind.clone()));
    }
    for (name, value) in &answer.headers {
        headers.push((name, value.clone()));
    }
    match answer.framing {
        Framing::Length => headers.push(("content-length", body.len().to_string())),
        Framing::Close => headers.push(("connection", "close".into())),
        Framing::Events | Framing::Pieces(_) | Framing::Trailers => {
            headers.push(("transfer-encoding", "chunked".into()));
        }
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut reply = Reply::head(answer.status, &headers);
    if answer.hints {
        reply
            .0
            .insert(0, Step::Write(b"HTTP/1.1 103 Early Hints\r\nlink: <x>; rel=preload\r\n\r\n".to_vec()));
    }
    let pieces: Vec<&[u8]> = match answer.framing {
        Framing::Pieces(size) => body.chunks(size.max(body.len() / 300).max(1)).collect(),
        _ => answer.events.iter().map(Vec::as_slice).collect(),
    };
    let mut left = answer.broken.map_or(usize::MAX, |(at, _)| at);
    for (at, piece) in pieces.into_iter().enumerate() {
        let piece = &piece[..piece.len().min(left)];
        left -= piece.len();
        reply = match answer.framing {
            Framing::Length | Framing::Close => reply.write(piece),
            _ => reply.chunk(piece),
        };
        // Some pieces arrive apart.
        if at % 41 == 3 {
            reply = reply.then(Step::Pause(Duration::from_millis(2)));
        }
    }
    if let Some((_, reset)) = answer.broken {
        let pause = Step::Pause(Duration::from_millis(5));
        return reply.then(pause).then(if reset { Step::Reset } else { Step::Close });
    }
    match answer.framing {
        Framing::Length => reply,
        Framing::Close => reply.then(Step::Close),
        Framing::Trailers => {
            reply.write(format!("0\r\nx-odd: {LEAK}\r\nset-cookie: {LEAK}\r\n\r\n").as_bytes())
        }
        Framing::Events | Framing::Pieces(_) => reply.end(),
    }
}

fn judge(found: &mut Findings, case: &Case, received: &Received, record: Option<&Value>) {
    for (name, value) in &received.headers {
        if value.contains(LEAK) {
            found.add("a header reached the caller", case.number, name);
        }
    }
    let streamed = if case.streamed { "stream" } else { "plain" };
    let what = case.what.join(", ");
    let mut wrong = |kind: &str, text: &str| {
        let text = format!("{} {streamed} {:?} of {:?}; {text}", case.endpoint.name, case.price, case.counts);
        found.add(&format!("{kind}: {what}"), case.number, &text);
    };
    if received.end == End::Silent {
        return wrong("no end", &format!("{}", received.status));
    }
    let Some(record) = record else {
        return wrong("no record", &format!("{received:?}"));
    };
    let charge = charged(record);
    let (input, output) = case.counts;
    let told = format!("charged {charge} as {} {}: {record}", record["usage_source"], record["outcome"]);
    let truth = cost(CHEAP_SENT, case.counts);
    let seen = String::from_utf8_lossy(&received.body).matches(WORD.trim()).count() as u64;
    // Some answers say their text twice.
    let seen = seen.min(output);
    let generous = cost(CHEAP_SENT, (input.max(2_000), output.max(PLAUSIBLE)));
    match case.price {
        Price::Exact if charge != truth => {
            let kind = if charge < truth {
                "charged less than was reported"
            } else {
                "charged more than was reported"
            };
            wrong(kind, &format!("{truth}; {told}"));
        }
        Price::AtLeast if charge < truth => {
            wrong("charged less than was reported", &format!("{truth}; {told}"))
        }
        Price::Seen if charge < cost(CHEAP_SENT, (1, seen.saturating_sub(1))) => {
            wrong("charged less than was seen", &format!("{seen} seen; {told}"));
        }
        Price::Held
            if case.endpoint.generates
                && charge < cost(CHEAP_SENT, (10, case.limit.unwrap_or(LEAST_HELD).min(LEAST_HELD))) =>
        {
            wrong("charged less than was held", &told);
        }
        Price::Nothing if charge > 0 => wrong("an error was charged", &told),
        Price::Nothing => {}
        _ if charge == 0 => wrong("charged nothing", &told),
        Price::Seen | Price::Held if charge > generous => wrong("charged more than is plausible", &told),
        _ => {}
    }
    if case.answer.status / 100 == 3 && received.status / 100 == 3 {
        wrong("a redirection reached the caller", "");
    }
    let whole = matches!(case.price, Price::Exact | Price::AtLeast | Price::Held);
    if whole && (received.status != 200 || without_bindings(&received.body) != case.answer.body()) {
        let sent = String::from_utf8_lossy(&case.answer.body()).into_owned();
        wrong(
            "the caller got other bytes",
            &format!("{} {}; sent {sent}", received.status, String::from_utf8_lossy(&received.body)),
        );
    }
    if case.price == Price::Exact && record["outcome"] != "ok" {
        wrong("a good answer is recorded otherwise", &record["outcome"].to_string());
    }
}

/// Asks for the odd answers of a plan.
pub async fn answers(plan: Plan) -> Findings {
    let provider = Provider::start().await;
    provider.answer(script(plan));
    let envoy = world::setup(&world::config(), provider.address()).start(&provider).await;
    let received = send(&envoy, plan.numbers(), move |number| {
        let case = Case::of(plan, number);
        Sent { number, bytes: case.request(), leave: case.leave }
    })
    .await;
    let records = records(&envoy).await;
    let mut found = Findings::default();
    for (number, received) in &received {
        let case = Case::of(plan, *number);
        let record = records.get(number).and_then(|records| records.first());
        if plan.only.is_some() {
            println!("{case:?}\n{record:#?}\n{received:?}\n{}", String::from_utf8_lossy(&received.body));
        }
        judge(&mut found, &case, received, record);
    }
    provider.answer(lenient::script(lenient::Tally::default()));
    settled(&mut found, &envoy, &records).await;
    println!("{} odd answers", received.len());
    found
}

/// The body without what binds ids of stored answers to the team.
fn without_bindings(body: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"~fb1~";
    let mut rest = body;
    let mut out = Vec::new();
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        out.extend_from_slice(&rest[..at]);
        rest = rest.get(at + MARK.len() + 24..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
