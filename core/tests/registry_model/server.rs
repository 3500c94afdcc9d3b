//! A server that runs the real scripts over a small Redis in memory, with a clock that the test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use farebox_core::registry::script::{READ, WRITE};
use mlua::{Function, Lua, Table, Value, Variadic};

type Bytes = Vec<u8>;

/// What it keeps.
#[derive(Clone, Default)]
pub(crate) struct Data {
    hashes: BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>,
    sorted: BTreeMap<Bytes, BTreeMap<Bytes, u64>>,
}

#[derive(Default)]
struct State {
    data: Data,
    now_ms: u64,
    audits: usize,
}

pub(crate) struct Server {
    lua: Lua,
    scripts: [Function; 2],
    state: Rc<RefCell<State>>,
    knows_script: bool,
    /// How often it was asked.
    pub(crate) reads: usize,
}

fn number(text: &[u8]) -> f64 {
    match text {
        b"+inf" => f64::INFINITY,
        b"-inf" => f64::NEG_INFINITY,
        text => std::str::from_utf8(text).unwrap().parse().unwrap(),
    }
}

fn command(lua: &Lua, state: &RefCell<State>, args: &[Bytes]) -> mlua::Result<Value> {
    let State { data: Data { hashes, sorted }, now_ms, audits } = &mut *state.borrow_mut();
    let text = |bytes: &[u8]| Ok::<_, mlua::Error>(Value::String(lua.create_string(bytes)?));
    let field =
        |hash: Option<&BTreeMap<Bytes, Bytes>>, name: &[u8]| match hash.and_then(|hash| hash.get(name)) {
            Some(value) => text(value),
            None => Ok(Value::Boolean(false)),
        };
    let (name, args) = args.split_first().unwrap();
    match (&**name, args) {
        (b"TIME", []) => {
            let parts = [*now_ms / 1_000, *now_ms % 1_000 * 1_000].map(|part| part.to_string());
            Ok(Value::Table(lua.create_sequence_from(parts)?))
        }
        (b"HGET", [key, name]) => field(hashes.get(key), name),
        (b"HMGET", [key, names @ ..]) => {
            let values =
                names.iter().map(|name| field(hashes.get(key), name)).collect::<mlua::Result<Vec<_>>>()?;
            Ok(Value::Table(lua.create_sequence_from(values)?))
        }
        (b"HSET", [key, pairs @ ..]) => {
            let hash = hashes.entry(key.clone()).or_default();
            pairs.chunks(2).for_each(|pair| drop(hash.insert(pair[0].clone(), pair[1].clone())));
            Ok(Value::Integer(1))
        }
        (b"HDEL", [key, name]) => {
            hashes.get_mut(key).and_then(|hash| hash.remove(name));
            Ok(Value::Integer(1))
        }
        // These only try the rights.
        (b"ZADD", [_, xx, _, _]) if xx == b"XX" => Ok(Value::Integer(0)),
        (b"ZRANGEBYSCORE", [_, _, _]) => Ok(Value::Table(lua.create_table()?)),
        (b"ZADD", [key, score, name]) => {
            sorted.entry(key.clone()).or_default().insert(name.clone(), number(score) as u64);
            Ok(Value::Integer(1))
        }
        (b"ZREM", [key, name]) => {
            sorted.get_mut(key).and_then(|set| set.remove(name));
            Ok(Value::Integer(1))
        }
        (b"ZRANGEBYSCORE", [key, from, to, scores, limit, first, most]) => {
            assert_eq!([&**scores, limit, first], [&b"WITHSCORES"[..], b"LIMIT", b"0"]);
            let after = number(from.strip_prefix(b"(").unwrap());
            let mut found: Vec<(u64, &Bytes)> =
                sorted.get(key).into_iter().flatten().map(|(name, score)| (*score, name)).collect();
            found.retain(|(score, _)| *score as f64 > after && *score as f64 <= number(to));
            found.sort_unstable();
            let table = lua.create_table()?;
            for (score, name) in found.into_iter().take(number(most) as usize) {
                table.push(text(name)?)?;
                table.push(score.to_string())?;
            }
            Ok(Value::Table(table))
        }
        (b"XADD", [..]) => {
            *audits += 1;
            text(b"1-0")
        }
        (other, _) => panic!("the script calls {}", String::from_utf8_lossy(other)),
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        let (lua, state) = (Lua::new(), Rc::new(RefCell::new(State::default())));
        let redis = lua.create_table().unwrap();
        let calls = Rc::clone(&state);
        let call = lua.create_function(move |lua, args: Variadic<Value>| {
            let word = |arg: &Value| match arg {
                Value::String(text) => text.as_bytes().to_vec(),
                Value::Integer(number) => number.to_string().into_bytes(),
                Value::Number(number) => number.to_string().into_bytes(),
                other => panic!("{other:?}"),
            };
            command(lua, &calls, &args.iter().map(word).collect::<Vec<_>>())
        });
        redis.set("call", call.unwrap()).unwrap();
        lua.globals().set("redis", redis).unwrap();
        let scripts = [READ, WRITE].map(|script| lua.load(script.text).into_function().unwrap());
        Self { lua, scripts, state, knows_script: false, reads: 0 }
    }

    pub(crate) fn set_time(&mut self, now_ms: u64) {
        self.state.borrow_mut().now_ms = now_ms;
    }

    pub(crate) fn forget_script(&mut self) {
        self.knows_script = false;
    }

    pub(crate) fn data(&self) -> Data {
        self.state.borrow().data.clone()
    }

    pub(crate) fn set_data(&mut self, data: Data) {
        self.state.borrow_mut().data = data;
    }

    /// The entries with what they say, without their versions.
    pub(crate) fn entries(&self) -> BTreeMap<String, String> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.clone()).unwrap();
        let state = self.state.borrow();
        let hash = state.data.hashes.get(&b"farebox:{registry}:entries"[..]);
        let entries = hash.into_iter().flatten().map(|(name, value)| (text(name), text(value)));
        entries.map(|(name, value)| (name, value.split_once(' ').unwrap().1.to_owned())).collect()
    }

    /// Answers a pipeline.
    pub(crate) fn call(&mut self, bytes: &[u8]) -> Bytes {
        let mut reply = Vec::new();
        for words in commands(bytes) {
            match &*words[0] {
                b"SCRIPT" => {
                    self.knows_script = true;
                    reply.extend(format!("$40\r\n{}\r\n", READ.sha).bytes());
                }
                b"EVALSHA" if words[1] == READ.sha.as_bytes() && !self.knows_script => {
                    reply.extend(b"-NOSCRIPT No matching script. Please use EVAL.\r\n");
                }
                b"EVALSHA" => {
                    let is_write = words[1] == WRITE.sha.as_bytes();
                    self.reads += usize::from(!is_write);
                    self.run(usize::from(is_write), &words[2..], &mut reply);
                }
                _ => reply.extend(b"+OK\r\n"),
            }
        }
        reply
    }

    fn run(&mut self, script: usize, words: &[Bytes], reply: &mut Bytes) {
        let count = number(&words[0]) as usize;
        let (keys, args) = words[1..].split_at(count);
        let list = |words: &[Bytes]| -> Table {
            let words = words.iter().map(|word| self.lua.create_string(word).unwrap());
            self.lua.create_sequence_from(words).unwrap()
        };
        self.lua.globals().set("KEYS", list(keys)).unwrap();
        self.lua.globals().set("ARGV", list(args)).unwrap();
        let answer: Table = self.scripts[script].call(()).unwrap();
        let values: Vec<Value> = answer.sequence_values().map(Result::unwrap).collect();
        reply.extend(format!("*{}\r\n", values.len()).bytes());
        for value in values {
            match value {
                Value::Integer(number) => reply.extend(format!(":{number}\r\n").bytes()),
                Value::Number(number) => reply.extend(format!(":{}\r\n", number as i64).bytes()),
                Value::String(text) => {
                    reply.extend(format!("${}\r\n", text.as_bytes().len()).bytes());
                    reply.extend(&*text.as_bytes());
                    reply.extend(b"\r\n");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The commands of a pipeline.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Bytes>> {
    fn length(bytes: &mut &[u8], mark: u8) -> usize {
        assert_eq!(bytes[0], mark);
        let end = bytes.iter().position(|&byte| byte == b'\r').unwrap();
        let length = std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap();
        *bytes = &bytes[end + 2..];
        length
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let words = length(&mut bytes, b'*');
        let mut word = || {
            let length = length(&mut bytes, b'$');
            let word = bytes[..length].to_vec();
            bytes = &bytes[length + 2..];
            word
        };
        commands.push((0..words).map(|_| word()).collect());
    }
    commands
}
