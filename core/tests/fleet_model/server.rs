//! A server that runs the real script over a small Redis in memory, with a clock that the test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use farebox_core::budget::fleet::Units;
use farebox_core::budget::fleet::script::{SHA, TEXT};
use mlua::{Function, Lua, Table, Value, Variadic};

/// The hashes of the server.
type Hashes = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A state that can be brought back.
#[derive(Clone)]
pub(crate) struct Saved(Hashes);

#[derive(Default)]
struct State {
    hashes: Hashes,
    now_ms: u64,
}

/// A server.
pub(crate) struct Server {
    lua: Lua,
    script: Function,
    state: Rc<RefCell<State>>,
}

/// An account as it is stored.
pub(crate) struct Stored {
    pub(crate) spent: Units,
    pub(crate) allotted: Units,
    pub(crate) allotted_before: Units,
    pub(crate) charged_for_silent: Units,
}

type Args = Variadic<mlua::LuaString>;

fn command(lua: &Lua, state: &RefCell<State>, args: &[Vec<u8>]) -> mlua::Result<Value> {
    let State { hashes, now_ms } = &mut *state.borrow_mut();
    let text = |bytes: &[u8]| Ok(Value::String(lua.create_string(bytes)?));
    let field =
        |hashes: &Hashes, key: &[u8], field: &[u8]| match hashes.get(key).and_then(|hash| hash.get(field)) {
            Some(value) => text(value),
            None => Ok(Value::Boolean(false)),
        };
    let (name, args) = args.split_first().unwrap();
    match (&**name, args) {
        (b"TIME", []) => {
            let table = lua.create_table()?;
            table.set(1, (*now_ms / 1_000).to_string())?;
            table.set(2, (*now_ms % 1_000 * 1_000).to_string())?;
            Ok(Value::Table(table))
        }
        (b"HGET", [key, name]) => field(hashes, key, name),
        (b"HMGET", [key, names @ ..]) => {
            let table = lua.create_table()?;
            for (at, name) in names.iter().enumerate() {
                table.set(at + 1, field(hashes, key, name)?)?;
            }
            Ok(Value::Table(table))
        }
        (b"HSET", [key, pairs @ ..]) => {
            let hash = hashes.entry(key.clone()).or_default();
            for pair in pairs.chunks(2) {
                hash.insert(pair[0].clone(), pair[1].clone());
            }
            Ok(Value::Integer(1))
        }
        (b"HDEL", [key, name]) => {
            hashes.get_mut(key).and_then(|hash| hash.remove(name));
            Ok(Value::Integer(1))
        }
        (b"HSCAN", [key, ..]) => {
            let (table, pairs) = (lua.create_table()?, lua.create_table()?);
            for (at, (name, value)) in hashes.get(key).into_iter().flatten().enumerate() {
                pairs.set(2 * at + 1, text(name)?)?;
                pairs.set(2 * at + 2, text(value)?)?;
            }
            table.set(1, "0")?;
            table.set(2, pairs)?;
            Ok(Value::Table(table))
        }
        (b"PEXPIREAT", [..]) => Ok(Value::Integer(1)),
        (other, _) => panic!("the script calls {}", String::from_utf8_lossy(other)),
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        let (lua, state) = (Lua::new(), Rc::new(RefCell::new(State::default())));
        let redis = lua.create_table().unwrap();
        for name in ["call", "pcall"] {
            let state = Rc::clone(&state);
            let call = lua.create_function(move |lua, args: Args| {
                let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
                command(lua, &state, &args)
            });
            redis.set(name, call.unwrap()).unwrap();
        }
        lua.globals().set("redis", redis).unwrap();
        let script = lua.load(TEXT).into_function().unwrap();
        Self { lua, script, state }
    }

    pub(crate) fn set_time(&mut self, now_ms: u64) {
        self.state.borrow_mut().now_ms = now_ms;
    }

    /// Answers a pipeline.
    pub(crate) fn call(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        for words in commands(bytes) {
            match &*words[0].to_ascii_uppercase() {
                b"EVALSHA" | b"EVAL" => self.run(&words[2..], &mut reply),
                b"SCRIPT" => reply.extend(format!("$40\r\n{SHA}\r\n").bytes()),
                _ => reply.extend(b"+OK\r\n"),
            }
        }
        reply
    }

    fn run(&mut self, words: &[Vec<u8>], reply: &mut Vec<u8>) {
        let count: usize = String::from_utf8_lossy(&words[0]).parse().unwrap();
        let (keys, args) = words[1..].split_at(count);
        let list = |words: &[Vec<u8>]| -> Table {
            let words = words.iter().map(|word| self.lua.create_string(word).unwrap());
            self.lua.create_sequence_from(words).unwrap()
        };
        self.lua.globals().set("KEYS", list(keys)).unwrap();
        self.lua.globals().set("ARGV", list(args)).unwrap();
        let answer: Table = self.script.call(()).unwrap();
        let values: Vec<Value> = answer.sequence_values().map(Result::unwrap).collect();
        reply.extend(format!("*{}\r\n", values.len()).bytes());
        for value in values {
            match value {
                Value::Integer(number) => reply.extend(format!(":{number}\r\n").bytes()),
                Value::Number(number) => reply.extend(format!(":{}\r\n", number as i64).bytes()),
                Value::String(text) => {
                    let text = text.as_bytes().to_vec();
                    reply.extend(format!("${}\r\n", text.len()).bytes());
                    reply.extend(text);
                    reply.extend(b"\r\n");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn empty(&mut self) {
        self.state.borrow_mut().hashes.clear();
    }

    pub(crate) fn save(&self) -> Saved {
        Saved(self.state.borrow().hashes.clone())
    }

    pub(crate) fn restore(&mut self, saved: &Saved) {
        self.state.borrow_mut().hashes = saved.0.clone();
    }

    pub(crate) fn account(&self, key: &str) -> Option<Stored> {
        let state = self.state.borrow();
        let header = state.hashes.get(key.as_bytes())?.get(b"h".as_slice())?;
        let header = String::from_utf8(header.clone()).unwrap();
        let words: Vec<&str> = header.split(' ').collect();
        let units = |at: usize| {
            let number = |at: usize| words[at].parse().unwrap();
            Units {
                nano_usd: number(at),
                input: number(at + 1),
                output: number(at + 2),
                requests: number(at + 3),
            }
        };
        Some(Stored {
            spent: units(9),
            allotted: units(13),
            allotted_before: units(17),
            charged_for_silent: units(21),
        })
    }
}

/// The commands of a pipeline.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn number(bytes: &mut &[u8], mark: u8) -> usize {
        assert_eq!(bytes[0], mark);
        let end = bytes.iter().position(|&byte| byte == b'\r').unwrap();
        let number = std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap();
        *bytes = &bytes[end + 2..];
        number
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let words = number(&mut bytes, b'*');
        commands.push(
            (0..words)
                .map(|_| {
                    let length = number(&mut bytes, b'$');
                    let word = bytes[..length].to_vec();
                    bytes = &bytes[length + 2..];
                    word
                })
                .collect(),
        );
    }
    commands
}
