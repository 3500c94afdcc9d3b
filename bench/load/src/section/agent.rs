//! Measures a decision of an agent: ten calls one after the other, with tools in their bodies, four of them streams.
//! One has a first target that fails, and one is refused by a budget and made again.
//!
//! Directly and through plain Envoy the same calls are made, as far as there is something like them: a client
//! makes the call again itself when the upstream answers 529, and nobody refuses.
//!
//! Does not measure what the agent does between its calls.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::bench::{Bench, Effort, names};
use crate::columns;
use crate::connection::Connection;
use crate::error::BenchError;
use crate::kind::{Farebox, Kind};
use crate::plugin::{AGENT, AGENT_CALLS, FAILOVER};
use crate::request::{Draft, Request};
use crate::rounds::progress;
use crate::section::Section;
use crate::slice::{Reading, Slice};
use crate::system::System;
use crate::tally::Tally;
use crate::upstream::{FAILING, HEADER, Plan};

/// Bytes of each request.
const SIZE: usize = 10 << 10;
/// Tools that each request describes.
const TOOLS: usize = 8;
/// Calls of a decision.
const CALLS: usize = 10;
/// Which of them are streams.
const STREAMS: [usize; 4] = [1, 3, 6, 8];
/// Which of them has a first target that fails.
const FAILS: usize = 4;
/// What the upstream takes for a plain answer, and for each of the events of a stream.
const DELAY: Duration = Duration::from_millis(5);
const EVENTS: u32 = 50;
const BEAT: Duration = Duration::from_millis(1);
/// Agents at work at the same time.
const AGENTS: u64 = 4;

/// One call: the request, and whether it is the first or the second session's.
type Step = (Request, u64);

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 5, quick_rounds: 2, seconds: 0.0, connections: 8 };
    let decisions = bench.connections(&effort) as u64;
    let agents = Farebox { budgets: 3, attempts: true, for_agents: true, ..Farebox::default() };
    let kinds = [Kind::Direct, Kind::Plain, Kind::Farebox(agents)];
    let systems = bench.start(&kinds, 1).await?;
    let mut slices: Vec<Slice> = Vec::new();
    // The first time is for practice, as in `rounds.rs`.
    for time in 0..=bench.count(&effort) {
        for system in &systems {
            progress(&format!("agent · {} · round {time}", system.kind));
            let slice = decide(bench, system, decisions, time as u64 * decisions * AGENTS).await?;
            if let Some(round) = time.checked_sub(1) {
                slices.push(Slice { round, ..slice });
            }
        }
    }
    let mut table = columns::times("A decision of an agent, one worker", &slices, &names(&systems));
    table.notes.push(format!(
        "A decision is {CALLS} calls, {} of them streams of {EVENTS} events; Farebox also refuses one of them, which is \
         made again. A \"call\" here is a whole decision.",
        STREAMS.len()
    ));
    bench.tables.push(table);
    bench.slices.extend(slices);
    Ok(())
}

async fn decide(bench: &Bench, system: &System, decisions: u64, sessions: u64) -> Result<Slice, BenchError> {
    let steps = Arc::new(steps(system));
    let tally = Arc::new(Mutex::new(Tally::new()));
    let before = Reading::take(system, &bench.provider);
    let mut tasks = JoinSet::new();
    for agent in 0..AGENTS {
        let (steps, tally, address) = (steps.clone(), tally.clone(), system.address);
        let first = 2 * (sessions + agent * decisions);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut head = Vec::new();
            for decision in 0..decisions {
                let started = Instant::now();
                for (at, (request, second)) in steps.iter().enumerate() {
                    request.head(first + 2 * decision + second, &mut head);
                    let answer = connection.call(&head, &request.body).await;
                    let broken = !answer.as_ref().is_ok_and(|answer| answer.reusable);
                    if let Ok(mut tally) = tally.lock() {
                        tally.judge(request, &answer);
                        if at + 1 == steps.len() {
                            tally.whole.add(started.elapsed());
                            tally.calls += 1;
                        }
                    }
                    if broken {
                        connection = Connection::open(address).await?;
                    }
                }
            }
            Ok::<(), std::io::Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Ok(Err(error)) = ended {
            return Err(BenchError::io(system.kind.to_string())(error));
        }
    }
    let after = Reading::take(system, &bench.provider);
    let tally = tally.lock().map_or_else(|_| Tally::new(), |tally| tally.clone());
    Ok(Slice {
        section: Section::Agent.name().into(),
        load: "10 calls".into(),
        system: system.kind.to_string(),
        workers: 1,
        whole: tally.whole.spread(),
        memory: system.memory(),
        invalid: tally.complaint(),
        ..Slice::between(&before, &after, tally.calls)
    })
}

fn steps(system: &System) -> Vec<Step> {
    let is_farebox = matches!(system.kind, Kind::Farebox(_));
    let mut steps = Vec::new();
    for call in 0..CALLS {
        let streams = STREAMS.contains(&call);
        let model = if is_farebox && call == FAILS { FAILOVER } else { &system.manner.model };
        if !is_farebox && call == FAILS {
            // The client asks the failing upstream first, as Farebox does.
            let path = format!("{FAILING}{}", system.manner.path);
            steps.push((request(system, &path, model, streams, 529), 0));
        }
        let path = system.manner.path.as_str();
        if is_farebox && call as u64 == AGENT_CALLS {
            steps.push((request(system, path, model, streams, 429), 0));
            steps.push((request(system, path, model, streams, 200), 1));
        } else {
            steps.push((request(system, path, model, streams, 200), 0));
        }
    }
    steps
}

fn request(system: &System, path: &str, model: &str, streams: bool, expected: u16) -> Request {
    let plan = if streams { Plan::stream(EVENTS, BEAT) } else { Plan::plain(DELAY) };
    let headers =
        [("authorization".to_owned(), format!("Bearer {AGENT}")), (HEADER.to_owned(), plan.to_string())];
    system.request(&Draft { path, headers: &headers, model, size: SIZE, streams, tools: TOOLS, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Manner;

    fn of(kind: &str) -> Vec<Step> {
        let manner =
            Manner { path: "/v1/chat/completions".into(), headers: Vec::new(), model: "bench".into() };
        steps(&System::new(kind.parse().unwrap(), "127.0.0.1:1".parse().unwrap(), manner, None, None))
    }

    #[test]
    fn a_decision_has_ten_good_calls_wherever_it_is_made() {
        for kind in ["direct", "plain", "farebox-3a-agents"] {
            let steps = of(kind);
            let good = |(request, _): &&Step| request.expected == 200;
            assert_eq!(steps.iter().filter(good).count(), CALLS, "{kind}");
            assert_eq!(steps.iter().filter(|(request, _)| request.streams).count(), STREAMS.len(), "{kind}");
        }
    }

    #[test]
    fn farebox_refuses_the_call_after_the_last_that_the_session_may_make() {
        let steps = of("farebox-3a-agents");
        let first: Vec<u16> = steps.iter().filter(|step| step.1 == 0).map(|step| step.0.expected).collect();
        assert_eq!(first.len() as u64, AGENT_CALLS + 1);
        assert_eq!(first.last(), Some(&429));
        assert_eq!(steps.last().map(|step| (step.0.expected, step.1)), Some((200, 1)));
    }
}
