//! Thousands of requests at once of which everything is chosen by a seed: who asks, what for, what the provider
//! answers, and who breaks off where.
//!
//! The provider and the caller of a request know the same [`Case`] by its number, so nothing has to be told.
//!
//! Does not judge what came of it: see `tally.rs`.

use crate::answers::Answers;
use crate::client::Client;
use crate::provider::Request;
use crate::script::{Gate, Reply, Step};
use farebox_readers::dice::Dice;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// Output tokens of the longest answer.
pub const LONGEST: u64 = 60;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Whole,
    /// It is answered slowly.
    Slow,
    /// The provider answers with this status.
    Error(u16),
    /// The provider resets the connection before it answers.
    Reset,
    /// The provider resets the connection in the middle of its answer.
    Broken,
    /// The caller leaves before the answer begins.
    Abandoned,
    /// The caller leaves in the middle of the answer.
    Left,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which one it is: the workflow in its record.
    pub number: u64,
    /// Which of two teams.
    pub team: usize,
    /// Which of its team's sessions.
    pub session: String,
    /// Whether the answer is streamed.
    pub streamed: bool,
    /// The limit of output that it asks for.
    pub limit: Option<u64>,
    /// Tokens that the provider counts in.
    pub prompt: u64,
    /// Tokens of a whole answer, unless the provider is asked for fewer.
    pub completion: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// When it is sent first, in milliseconds, and how long whoever leaves has patience.
    pub moment: u64,
}

impl Case {
    /// The case with this number.
    #[must_use]
    pub fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let completion = 1 + dice.below(LONGEST);
        Self {
            number,
            team: usize::try_from(dice.below(2)).expect("zero or one"),
            session: format!("session-{}", dice.below(8)),
            streamed: dice.below(3) > 0,
            limit: (dice.below(2) == 0).then(|| completion + dice.below(20)),
            prompt: 5 + dice.below(60),
            completion,
            fate: match dice.below(100) {
                0..50 => Fate::Whole,
                50..70 => Fate::Slow,
                70..75 => Fate::Error(500),
                75..80 => Fate::Error(429),
                80..84 => Fate::Reset,
                84..89 => Fate::Broken,
                89..94 => Fate::Abandoned,
                _ => Fate::Left,
            },
            moment: dice.below(1_500),
        }
    }

    /// What it asks for.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = crate::client::chat_body("fast");
        if let Some(limit) = self.limit {
            body["max_tokens"] = json!(limit);
        }
        if self.streamed {
            body["stream"] = json!(true);
        }
        body
    }

    /// Tokens of the answer to `request`.
    #[must_use]
    pub fn output(&self, request: &Request) -> u64 {
        request.json()["max_tokens"].as_u64().map_or(self.completion, |most| most.min(self.completion))
    }

    fn reply(&self, request: &Request) -> Reply {
        let completion = self.output(request);
        let words = usize::try_from(completion).expect("a few");
        let answers =
            Answers { prompt: self.prompt, completion, text: vec!["tram"; words], ..Answers::default() };
        let never = Step::Await(Gate::closed());
        match self.fate {
            Fate::Error(status) => return Reply::json(status, &json!({"error": {"message": "no"}})),
            Fate::Reset => return Reply::default().then(Step::Reset),
            Fate::Abandoned => return Reply::default().then(never),
            _ => {}
        }
        if !self.streamed {
            let whole = answers.reply(request);
            let pause = Step::Pause(Duration::from_millis(self.moment % 200));
            return match self.fate {
                Fate::Slow => Reply([vec![pause], whole.0].concat()),
                // The head promises a body of which nothing comes.
                Fate::Broken => Reply(vec![whole.0[0].clone(), Step::Reset]),
                Fate::Left => Reply(vec![whole.0[0].clone(), never]),
                _ => whole,
            };
        }
        let events = answers.chat_events(true);
        let shown = match self.fate {
            Fate::Broken | Fate::Left => 1 + words / 2,
            _ => events.len(),
        };
        let begun = events[..shown].iter().fold(Reply::event_stream(), |reply, event| {
            let reply = reply.chunk(event);
            if self.fate == Fate::Slow { reply.then(Step::Pause(Duration::from_millis(5))) } else { reply }
        });
        match self.fate {
            Fate::Broken => begun.then(Step::Pause(Duration::from_millis(5))).then(Step::Reset),
            Fate::Left => begun.then(never),
            _ => begun.end(),
        }
    }

    /// Asks once, as the fate wants it. Returns whether a budget refused.
    async fn ask(&self, client: &Client) -> bool {
        let client = client
            .with("x-farebox-session", &self.session)
            .with("x-farebox-workflow", &format!("case-{}", self.number))
            .with("x-case", &self.number.to_string());
        let path = "/v1/chat/completions";
        let patience = Duration::from_millis(20 + self.moment % 300);
        if self.streamed && self.fate != Fate::Abandoned {
            let mut stream = match client.try_stream(path, &self.body()).await {
                Ok(stream) => stream,
                // Envoy passes on that its provider broke off, and drops what it has not written by then.
                Err(_) if self.fate == Fate::Broken => return false,
                Err(error) => panic!("an answer to {self:?}: {error}"),
            };
            // Leaves within what comes in any case: a strict budget may allow it no more than 16 tokens.
            let (mut received, leaves_after) = (0, self.completion.min(16) / 4);
            while self.fate != Fate::Left || received <= leaves_after {
                if stream.next().await.is_none() {
                    break;
                }
                received += 1;
            }
            return stream.status == 429 && stream.headers.contains_key("x-farebox-denied");
        }
        let client = client.with("content-type", "application/json");
        let asked = client.try_send("POST", path, self.body().to_string());
        let answer = if matches!(self.fate, Fate::Abandoned | Fate::Left) {
            let Ok(answer) = tokio::time::timeout(patience, asked).await else { return false };
            answer
        } else {
            asked.await
        };
        answer.is_ok_and(|answer| answer.status == 429 && answer.header("x-farebox-denied").is_some())
    }
}

/// The number of the case that a request belongs to.
#[must_use]
pub fn number_of(request: &Request) -> u64 {
    request.header("x-case").first().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The provider's part in the storm of `seed`.
pub fn script(seed: u64) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| Case::of(seed, number_of(request)).reply(request)
}

/// Lets loose the first `count` cases of `seed`, all within `spread` milliseconds; whoever is refused tries again up
/// to three times. `clients`: of the one team, and of the other. Ends when all have their answer.
pub async fn rage(seed: u64, count: u64, spread: u64, clients: [Vec<Client>; 2]) {
    let mut running = JoinSet::new();
    for number in 0..count {
        let case = Case::of(seed, number);
        let connections = &clients[case.team];
        let at = usize::try_from(number).expect("a few") % connections.len();
        let client = connections[at].clone();
        running.spawn(async move {
            let mut dice = Dice::new(seed.wrapping_add(number));
            tokio::time::sleep(Duration::from_millis(case.moment % spread)).await;
            for _ in 0..4 {
                if !case.ask(&client).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100 + dice.below(400))).await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("every caller comes to an end");
    }
}
