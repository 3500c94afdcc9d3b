//! Sends odd requests over kept connections, several at a time, and judges them once all have been recorded.

use super::endpoints::ENDPOINTS;
use super::findings::Findings;
use super::lenient::{self, Tally};
use super::requests::Case;
use super::verdict;
use super::wire::{Received, Wire};
use super::world::{self, BLUE};
use super::{Plan, bodies, framing, marked};
use crate::client::Client;
use crate::envoy::Envoy;
use crate::patience::until;
use crate::provider::Provider;
use farebox_core::base::money::PicoUsd;
use farebox_readers::dice::Dice;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// Connections at one time.
const LANES: usize = 16;

/// What is asked, and how its caller leaves.
pub struct Sent {
    /// Its number.
    pub number: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Hangs up after so many bytes of the answer.
    pub leave: Option<usize>,
}

/// Sends all of them; what came back, by number.
pub async fn send(
    envoy: &Envoy,
    numbers: Vec<u64>,
    case: impl Fn(u64) -> Sent + Send + Sync + 'static,
) -> HashMap<u64, Received> {
    let (case, next) = (Arc::new(case), Arc::new(Mutex::new(numbers.into_iter())));
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let (case, next, mut wire) = (case.clone(), next.clone(), Wire::new(envoy.address()));
        lanes.spawn(async move {
            let mut all = Vec::new();
            loop {
                let Some(number) = next.lock().unwrap().next() else { return all };
                let sent = case(number);
                all.push((number, wire.ask(&sent.bytes, sent.leave).await));
            }
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}

/// The records by the number of their case, once nothing runs any more; those of the same number together.
pub async fn records(envoy: &Envoy) -> HashMap<u64, Vec<Value>> {
    until("the end of every request", async || {
        (envoy.stat(r"^http\.farebox\.downstream_rq_active$").await == 0).then_some(())
    })
    .await;
    // A line is written some milliseconds after its request has ended.
    let mut lines = envoy.log_lines();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let more = envoy.log_lines();
        if more.len() == lines.len() {
            break;
        }
        lines = more;
    }
    let mut records: HashMap<u64, Vec<Value>> = HashMap::new();
    for mut line in lines {
        let record = line["farebox"].take();
        let number = record["workflow"].as_str().and_then(|mark| marked(mark.as_bytes()));
        if let Some(number) = number {
            records.entry(number).or_default().push(record);
        }
    }
    records
}

/// What must hold at the end, whatever was sent: counters as the records say, nothing held, a good request answered.
pub async fn settled(found: &mut Findings, envoy: &Envoy, records: &HashMap<u64, Vec<Value>>) {
    let client = Client::new(envoy, BLUE);
    let usage = client.usage("all").await;
    let counted = usage["spent"]["usd"].as_str().and_then(|text| PicoUsd::parse(text).ok());
    let recorded = records.values().flatten().map(verdict::charged).fold(0, u64::saturating_add);
    if counted != Some(PicoUsd(recorded)) {
        found.add("counters are not what the records say", 0, &format!("{usage} for {recorded}"));
    }
    if usage["held"]["usd"] != "0.00" {
        found.add("something is still held", 0, &usage.to_string());
    }
    // Whatever was sent and answered, nobody else's request suffers for it.
    let mut wire = Wire::new(envoy.address());
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !endpoint.form) {
        let body = bodies::written(&endpoint.members(world::CHEAP, "Where to?"));
        let headers = [
            ("host", "gateway".to_owned()),
            ("authorization", format!("Bearer {BLUE}")),
            ("content-type", "application/json".to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let path = endpoint.path_for(world::CHEAP);
        let (bytes, _) = framing::framed(&mut Dice::new(0), &path, &headers, body.as_bytes(), false);
        let received = wire.ask(&bytes, None).await;
        if received.status != 200 {
            found.add("a good request is not answered", 0, &format!("{}: {received:?}", endpoint.name));
        }
    }
    let failures = envoy.stat(r"^wasm\..*(failed|crashed|vm_failed).*").await;
    if failures > 0 {
        found.add("a VM failed", 0, &failures.to_string());
    }
}

/// Sends the odd requests of a plan.
pub async fn requests(plan: Plan) -> Findings {
    let provider = Provider::start().await;
    let tally = Tally::default();
    provider.answer(lenient::script(tally.clone()));
    let envoy = world::setup(&world::config(), provider.address()).start(&provider).await;
    let received = send(&envoy, plan.numbers(), move |number| {
        let case = Case::of(plan, number);
        Sent { number, bytes: case.bytes, leave: None }
    })
    .await;
    let records = records(&envoy).await;
    let mut found = Findings::default();
    let served = tally.lock().unwrap().clone();
    let mut answered = 0;
    for (number, received) in &received {
        let case = Case::of(plan, *number);
        let own = served.get(number).map(Vec::as_slice).unwrap_or_default();
        answered += usize::from(own.iter().any(|served| served.counts.is_some()));
        let record = records.get(number).and_then(|records| records.first());
        if plan.only.is_some() {
            println!(
                "{case:?}\n{}\n{record:#?}\n{own:#?}\n{received:#?}",
                String::from_utf8_lossy(&case.bytes)
            );
        }
        verdict::judge(&mut found, &case, received, record, own);
    }
    if let Some(strays) = served.get(&u64::MAX) {
        found.add("arrived: what belongs to no case", 0, &format!("{strays:?}"));
    }
    settled(&mut found, &envoy, &records).await;
    println!("{} odd requests, of which a provider answered {answered}", received.len());
    found
}
