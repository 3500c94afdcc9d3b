//! Leads requests through the filter as Envoy 1.40 does, callback by callback.
//!
//! The filter stands before the router with `allow_on_headers_stop_iteration`, so a held request sees all of its body
//! so far each time more of it comes; and behind the router, if it is placed there as well, in a VM of its own that
//! shares the request's headers and filter state. Bodies come as from HTTP/1.1: in pieces as they are read, and then
//! the end, with nothing in it.
//!
//! Does not route: a scenario says what the provider answers.

use std::cell::RefCell;
use std::rc::Rc;

use crate::branches::Taken;
use crate::callout;
use crate::failure::Failure;
use crate::host::{Host, Pairs, ROOT, Reply, Stream};
use crate::payload::DEMO_SHA256;
use crate::tally::Tally;
use crate::vm::{Code, Function, Vm};

/// 2026-11-21T12:00:00Z in nanoseconds: when everything begins.
const NOON: u64 = 1_795_262_400_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// What a callback returns to hold what it was told of.
const PAUSE: u32 = 1;
/// How much of a body is read at a time.
const READ: usize = 16 * 1024;

/// A request and what comes back.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) head: Pairs,
    pub(crate) body: Vec<u8>,
    /// What filters before ours have found out, as Envoy hands it over; empty: nothing.
    pub(crate) metadata: Vec<u8>,
    /// One for each attempt; the client gets the last.
    pub(crate) answers: Vec<Answer>,
}

/// What a provider answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: Pairs,
    /// The body as it is read.
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The status that the client got.
    pub(crate) status: String,
    /// What the filter wrote down.
    pub(crate) record: String,
    pub(crate) callbacks: Vec<Callback>,
}

/// One callback.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) name: String,
    pub(crate) tally: Tally,
}

/// An Envoy with one worker.
#[derive(Debug)]
pub(crate) struct Envoy {
    host: Rc<RefCell<Host>>,
    gateway: Vm,
    attempts: Option<Vm>,
    last_context: u32,
    callbacks: Vec<Callback>,
}

impl Envoy {
    /// Starts with this plugin configuration, and with the filter behind the router if `behind` is set.
    ///
    /// # Errors
    ///
    /// The filter fails, or refuses the configuration.
    pub(crate) fn start(code: &Code, configuration: &str, behind: bool) -> Result<Self, Failure> {
        let environment = vec!["OPENAI_API_KEY=sk-proj-0123456789012345678901234567890123456789".to_owned()];
        let host = Rc::new(RefCell::new(Host::new(NOON, environment)));
        host.borrow_mut().configuration = configuration.as_bytes().to_vec();
        let mut callbacks = Vec::new();
        let gateway = begin(code, &host, b"", &mut callbacks)?;
        let attempts = if behind { Some(begin(code, &host, b"attempt", &mut callbacks)?) } else { None };
        Ok(Self { host, gateway, attempts, last_context: ROOT, callbacks })
    }

    /// The callbacks since this was last asked.
    pub(crate) fn callbacks(&mut self) -> Vec<Callback> {
        std::mem::take(&mut self.callbacks)
    }

    /// Pages of memory, of all VMs.
    pub(crate) fn pages(&self) -> u64 {
        self.gateway.pages() + self.attempts.as_ref().map_or(0, Vm::pages)
    }

    /// What the filter's functions have executed before the router, and behind it.
    pub(crate) fn functions(&self, code: &Code) -> Vec<Function> {
        let behind = self.attempts.iter().flat_map(|vm| vm.functions(code));
        self.gateway.functions(code).into_iter().chain(behind).collect()
    }

    /// How often every branch was taken, for each VM, if that is counted.
    pub(crate) fn branches(&self) -> Vec<Vec<Taken>> {
        [Some(&self.gateway), self.attempts.as_ref()].into_iter().flatten().map(Vm::branches).collect()
    }

    /// Lets the filter's timer fire in every VM, and the ledger answer.
    ///
    /// # Errors
    ///
    /// The filter fails.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        self.host.borrow_mut().now += 500 * MILLISECOND;
        for (behind, vm) in [(false, Some(&mut self.gateway)), (true, self.attempts.as_mut())] {
            if let Some(vm) = vm {
                let (_, tally) = vm.call("proxy_on_tick", &[ROOT])?;
                self.callbacks.push(Callback { name: title("proxy_on_tick", behind), tally });
            }
        }
        self.answer_calls()
    }

    /// Leads one request through, from its first byte to its record.
    ///
    /// # Errors
    ///
    /// The filter fails, or does what is not foreseen here.
    pub(crate) fn exchange(&mut self, exchange: &Exchange) -> Result<Outcome, Failure> {
        let id = self.new_context();
        let mut stream = Stream { request: exchange.head.clone(), ..Stream::default() };
        stream.properties.insert(b"metadata".to_vec(), exchange.metadata.clone());
        self.host.borrow_mut().streams.insert(id, stream);
        self.gateway("proxy_on_context_create", id, &[ROOT])?;
        if self.request(id, exchange)? {
            self.upstream(id, exchange)?;
        }
        self.gateway("proxy_on_log", id, &[])?;
        self.gateway("proxy_on_done", id, &[])?;
        self.gateway("proxy_on_delete", id, &[])?;
        let stream = self.host.borrow_mut().streams.remove(&id).unwrap_or_default();
        if let Some(warning) = self.host.borrow_mut().warnings.pop() {
            return Err(Failure::Warned(warning));
        }
        let text =
            |bytes: Option<&Vec<u8>>| String::from_utf8_lossy(bytes.map_or(&[], |bytes| bytes)).into_owned();
        let status = stream.response.iter().find(|(name, _)| name == b":status").map(|(_, status)| status);
        Ok(Outcome {
            status: text(status),
            record: text(stream.properties.get(&b"wasm.farebox.record"[..])),
            callbacks: self.callbacks(),
        })
    }

    /// The request comes in. Says whether it goes on to a provider.
    fn request(&mut self, id: u32, exchange: &Exchange) -> Result<bool, Failure> {
        let count = exchange.head.len() as u32;
        let bodiless = exchange.body.is_empty();
        let mut action = self.gateway("proxy_on_request_headers", id, &[count, u32::from(bodiless)])?;
        if self.replied(id)? {
            return Ok(false);
        }
        let pieces = exchange.body.chunks(READ).map(|piece| (piece, false));
        let end = [(&[][..], true)];
        for (piece, last) in pieces.chain(end).filter(|_| !bodiless) {
            let size = self.with(id, |stream| {
                stream.request_body.extend_from_slice(piece);
                stream.request_body.len() as u32
            });
            action = self.gateway("proxy_on_request_body", id, &[size, u32::from(last)])?;
            if self.replied(id)? {
                return Ok(false);
            }
        }
        if action == PAUSE {
            self.turn()?;
            let resumed = self.with(id, |stream| std::mem::take(&mut stream.resumed));
            return if resumed { Ok(true) } else { Err(Failure::Held) };
        }
        Ok(true)
    }

    /// Lets the queue call the gateway, and the ledger answer what it is asked.
    fn turn(&mut self) -> Result<(), Failure> {
        if !self.host.borrow().queued.is_empty() {
            self.gateway("proxy_on_queue_ready", ROOT, &[1])?;
        }
        self.answer_calls()
    }

    /// Lets the ledger answer what it was asked.
    fn answer_calls(&mut self) -> Result<(), Failure> {
        let calls = std::mem::take(&mut self.host.borrow_mut().calls);
        for (token, asked) in calls {
            let now_ms = self.host.borrow().now / MILLISECOND;
            let listed = callout::list(&asked, DEMO_SHA256);
            let body = listed.or_else(|| callout::lend(&asked, now_ms)).unwrap_or_default();
            let size = body.len() as u32;
            self.host.borrow_mut().callout = (vec![(b":status".to_vec(), b"200".to_vec())], body);
            self.gateway("proxy_on_http_call_response", ROOT, &[token, 1, size, 0])?;
        }
        Ok(())
    }

    /// The request goes to one provider after another until there are no more answers.
    fn upstream(&mut self, id: u32, exchange: &Exchange) -> Result<(), Failure> {
        let sent = self.with(id, |stream| std::mem::take(&mut stream.request_body));
        let last = exchange.answers.len().saturating_sub(1);
        for (number, answer) in exchange.answers.iter().enumerate() {
            self.host.borrow_mut().now += 200 * MILLISECOND;
            if self.attempts.is_some() {
                self.attempt(id, &sent, answer, number == last)?;
            } else if number == last {
                self.answer_head(id, &answer.head)?;
                for piece in &answer.pieces {
                    self.answer_piece(id, piece.clone(), false)?;
                }
                self.answer_piece(id, Vec::new(), true)?;
            }
        }
        Ok(())
    }

    /// One attempt behind the router. Its answer goes to the client if it is the last.
    fn attempt(&mut self, id: u32, body: &[u8], answer: &Answer, last: bool) -> Result<(), Failure> {
        let attempt = self.new_context();
        self.host.borrow_mut().streams.insert(attempt, Stream::default());
        self.behind("proxy_on_context_create", attempt, id, &[ROOT])?;
        let count = self.with(id, |stream| stream.request.len() as u32);
        self.behind("proxy_on_request_headers", attempt, id, &[count, 0])?;
        let size = self.with(attempt, |stream| {
            stream.request_body = body.to_vec();
            stream.request_body.len() as u32
        });
        if self.behind("proxy_on_request_body", attempt, id, &[size, 1])? == PAUSE {
            return Err(Failure::Held);
        }
        let count = self.with(attempt, |stream| {
            stream.response.clone_from(&answer.head);
            answer.head.len() as u32
        });
        let mut held = self.behind("proxy_on_response_headers", attempt, id, &[count, 0])? == PAUSE;
        if !held && last {
            self.pass_head(id, attempt)?;
        }
        let end = Vec::new();
        let pieces = answer.pieces.iter().map(|piece| (piece, false)).chain([(&end, true)]);
        for (piece, ends) in pieces {
            let size = self.with(attempt, |stream| {
                stream.response_body.extend_from_slice(piece);
                stream.response_body.len() as u32
            });
            if self.behind("proxy_on_response_body", attempt, id, &[size, u32::from(ends)])? == PAUSE {
                continue;
            }
            if std::mem::take(&mut held) && last {
                self.pass_head(id, attempt)?;
            }
            let passed = self.with(attempt, |stream| std::mem::take(&mut stream.response_body));
            if last {
                self.answer_piece(id, passed, ends)?;
            }
        }
        self.behind("proxy_on_done", attempt, id, &[])?;
        self.behind("proxy_on_delete", attempt, id, &[])?;
        self.host.borrow_mut().streams.remove(&attempt);
        Ok(())
    }

    fn pass_head(&mut self, id: u32, attempt: u32) -> Result<(), Failure> {
        let head = self.with(attempt, |stream| stream.response.clone());
        self.answer_head(id, &head)
    }

    fn answer_head(&mut self, id: u32, head: &Pairs) -> Result<(), Failure> {
        self.with(id, |stream| {
            stream.response.clone_from(head);
            stream.properties.insert(b"response\0code_details".to_vec(), b"via_upstream".to_vec());
            stream.properties.insert(b"response\0flags".to_vec(), vec![0; 8]);
        });
        self.gateway("proxy_on_response_headers", id, &[head.len() as u32, 0])?;
        Ok(())
    }

    fn answer_piece(&mut self, id: u32, piece: Vec<u8>, last: bool) -> Result<(), Failure> {
        let size = piece.len() as u32;
        self.with(id, |stream| stream.response_body = piece);
        self.gateway("proxy_on_response_body", id, &[size, u32::from(last)])?;
        Ok(())
    }

    /// Sends the reply that the filter asked for, if it did, on its own way through the filter.
    fn replied(&mut self, id: u32) -> Result<bool, Failure> {
        let Some(reply) = self.with(id, |stream| stream.reply.take()) else { return Ok(false) };
        let Reply { status, details, headers, body } = reply;
        let count = self.with(id, |stream| {
            stream.response = vec![(b":status".to_vec(), status.to_string().into_bytes())];
            stream.response.extend(headers);
            stream.properties.insert(b"response\0code_details".to_vec(), details);
            stream.response.len() as u32
        });
        self.gateway("proxy_on_response_headers", id, &[count, u32::from(body.is_empty())])?;
        if !body.is_empty() {
            self.answer_piece(id, body, true)?;
        }
        Ok(true)
    }

    fn gateway(&mut self, name: &'static str, id: u32, rest: &[u32]) -> Result<u32, Failure> {
        self.enter(id);
        let (action, tally) = self.gateway.call(name, &[&[id], rest].concat())?;
        self.callbacks.push(Callback { name: title(name, false), tally });
        Ok(action)
    }

    /// A callback of the attempt `id` of the request `of`.
    fn behind(&mut self, name: &'static str, id: u32, of: u32, rest: &[u32]) -> Result<u32, Failure> {
        let Some(vm) = &mut self.attempts else { return Ok(0) };
        self.host.borrow_mut().share_stream(of, id);
        self.host.borrow_mut().current = id;
        let (action, tally) = vm.call(name, &[&[id], rest].concat())?;
        self.host.borrow_mut().share_stream(id, of);
        self.callbacks.push(Callback { name: title(name, true), tally });
        Ok(action)
    }

    fn enter(&mut self, id: u32) {
        let mut host = self.host.borrow_mut();
        host.current = id;
        host.now += 2 * MILLISECOND;
    }

    fn with<T>(&mut self, id: u32, act: impl FnOnce(&mut Stream) -> T) -> T {
        act(self.host.borrow_mut().streams.entry(id).or_default())
    }

    fn new_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }
}

/// Makes a VM in this role and configures it.
fn begin(
    code: &Code,
    host: &Rc<RefCell<Host>>,
    role: &[u8],
    callbacks: &mut Vec<Callback>,
) -> Result<Vm, Failure> {
    let behind = !role.is_empty();
    host.borrow_mut().vm_configuration = role.to_vec();
    let (mut vm, tally) = Vm::new(code, host)?;
    callbacks.push(Callback { name: title("_initialize", behind), tally });
    let size = host.borrow().configuration.len() as u32;
    let steps = [
        ("proxy_on_context_create", 0, true),
        ("proxy_on_vm_start", role.len() as u32, false),
        ("proxy_on_configure", size, false),
    ];
    for (name, argument, always) in steps {
        host.borrow_mut().current = 0;
        let (accepted, tally) = vm.call(name, &[ROOT, argument])?;
        callbacks.push(Callback { name: title(name, behind), tally });
        if accepted == 0 && !always {
            return Err(Failure::Refused(host.borrow().warnings.join("; ")));
        }
    }
    Ok(vm)
}

fn title(name: &str, behind: bool) -> String {
    let name = name.trim_start_matches("proxy_");
    if behind { format!("attempt {name}") } else { name.to_owned() }
}
