//! Decides what `/farebox/usage` tells: every budget that holds for a subject, with what is spent, held and left.
//!
//! A key asks for itself; what requests say of themselves (session, agent, …) is asked for in the query, or in the
//! same headers. An admin key asks for any team and key of the configuration, and is told which teams there are. Nobody
//! gets a list of other subjects: callers make them up, and only their hashes are kept. Amounts of money are decimal strings: a float would round them.

use std::rc::Rc;

use super::push_optional;
use crate::base::headers::RequestHead;
use crate::base::text::{Label, percent_decode, push_json_string};
use crate::base::window::Millis;
use crate::budget::ledger::{Amounts, Ledger, Store};
use crate::budget::subject::Subject;
use crate::config::suggestion::did_you_mean;
use crate::config::{Account, Config, Key, Limits};
use crate::denial::Denial;
use crate::request::attribution::Attribution;

/// The parameters of a query.
const PARAMETERS: [&str; 9] =
    ["team", "key", "model", "provider", "user", "agent", "session", "workflow", "header:<name>"];

/// What a query asks for.
#[derive(Default)]
struct Query {
    team: Option<String>,
    key: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    /// Who is asked about by name, in the query itself.
    user: Option<String>,
    attribution: Attribution,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Of which accounts the ledger of the fleet has to be asked before [`usage`] can tell of them.
///
/// # Errors
/// As [`usage`].
pub fn stale<S: Store>(
    ledger: &Ledger<'_, S>,
    config: &Config,
    key: &Rc<Key>,
    head: &RequestHead,
    now: Millis,
) -> Result<Vec<Rc<Account>>, Denial> {
    let query = Query::read(head)?;
    let named = RequestHead::new(query.headers.clone());
    let subject = query.subject(config, key, if query.headers.is_empty() { head } else { &named })?;
    let accounts = config.budgets.iter().filter_map(|budget| subject.account(budget).ok());
    Ok(accounts.filter(|account| ledger.is_stale(account, now)).map(Rc::new).collect())
}

/// The body of `/farebox/usage`, asked for by `key` with `head`.
///
/// # Errors
/// [`Denial`], to be shown to the caller.
pub fn usage<S: Store>(
    ledger: &Ledger<'_, S>,
    config: &Config,
    key: &Rc<Key>,
    head: &RequestHead,
    now: Millis,
) -> Result<String, Denial> {
    let query = Query::read(head)?;
    let named = RequestHead::new(query.headers.clone());
    let subject = query.subject(config, key, if query.headers.is_empty() { head } else { &named })?;
    let team = subject.team;
    let mut body = String::from("{\"key\":");
    push_optional(&mut body, subject.key);
    body.push_str(",\"team\":");
    push_json_string(&mut body, team);
    let (mut budgets, mut unnamed) = (String::new(), String::new());
    for budget in &config.budgets {
        match subject.account(budget) {
            Ok(account) => {
                let line = entry(ledger, &account, now)?;
                push_entry(&mut budgets, &line);
            }
            Err(absent) => {
                let mut line = String::from("{\"name\":");
                push_json_string(&mut line, &budget.name);
                line.push_str(",\"per\":");
                push_json_string(&mut line, &budget.per_text());
                line.push_str(",\"needs\":");
                push_json_string(&mut line, &absent.text());
                line.push('}');
                push_entry(&mut unnamed, &line);
            }
        }
    }
    body.push_str(&format!(",\"budgets\":[{budgets}],\"unnamed\":[{unnamed}]"));
    if key.admin && query.team.is_none() && query.key.is_none() {
        let mut teams = String::new();
        for team in config.teams() {
            let mut name = String::new();
            push_json_string(&mut name, team);
            push_entry(&mut teams, &name);
        }
        body.push_str(&format!(",\"teams\":[{teams}]"));
    }
    body.push('}');
    Ok(body)
}

/// The key that is asked about; `None` for a team as a whole.
fn whose<'a>(config: &'a Config, key: &'a Rc<Key>, query: &Query) -> Result<Option<&'a Rc<Key>>, Denial> {
    let other = query.key.as_deref().is_some_and(|id| id != &*key.id)
        || query.team.as_deref().is_some_and(|team| team != &*key.team);
    if other && !key.admin {
        return Err(Denial::AdminOnly);
    }
    if let Some(team) =
        query.team.as_deref().filter(|team| !config.keys.values().any(|key| *key.team == **team))
        && config.listed.is_none()
    {
        let near = did_you_mean(team, config.teams());
        return Err(Denial::UnknownSubject(format!("There is no team '{team}'{near}.")));
    }
    match &query.key {
        Some(id) if *id == *key.id => Ok(Some(key)),
        Some(id) => {
            let in_team = |of: &&Rc<Key>| query.team.as_deref().is_none_or(|team| team == &*of.team);
            let unknown = || {
                let near = did_you_mean(id, config.keys.values().filter(in_team).map(|key| &*key.id));
                let place =
                    query.team.as_ref().map_or_else(|| "here".to_owned(), |team| format!("in team '{team}'"));
                Denial::UnknownSubject(format!("There is no key '{id}' {place}{near}."))
            };
            config.keys.get(id.as_str()).filter(in_team).map(Some).ok_or_else(unknown)
        }
        None if query.team.is_some() && other => Ok(None),
        None => Ok(Some(key)),
    }
}

impl Query {
    /// Whom it asks about.
    fn subject<'a>(
        &'a self,
        config: &'a Config,
        key: &'a Rc<Key>,
        head: &'a RequestHead,
    ) -> Result<Subject<'a>, Denial> {
        let of = whose(config, key, self)?;
        let own = of.and_then(|of| of.user.as_deref());
        let proven_user = match self.user.as_deref() {
            None => own,
            Some(user) if own == Some(user) => own,
            Some(_) if key.user.is_some() && !key.admin => return Err(Denial::AdminOnly),
            Some(user) => Some(user).filter(|_| key.admin && config.identity.proves_users()),
        };
        Ok(Subject {
            team: of.map_or_else(|| self.team.as_deref().unwrap_or(&key.team), |of| &of.team),
            key: of.map(|of| &*of.id),
            labels: of.map(|of| of.labels.as_slice()).unwrap_or_default(),
            proven_user,
            // They are the same for all.
            limits: key.limits.as_deref(),
            model: self.model.as_deref(),
            provider: self.provider.as_deref(),
            attribution: Some(&self.attribution),
            head: Some(head),
            request: None,
        })
    }

    fn read(head: &RequestHead) -> Result<Self, Denial> {
        let mut query = Self { attribution: Attribution::read(head), ..Self::default() };
        let whole = head.path_and_query();
        let start = memchr::memchr(b'?', whole).map_or(whole.len(), |at| at + 1);
        let pairs = whole.get(start..).unwrap_or_default().split(|&byte| byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default());
            let name = String::from_utf8_lossy(&percent_decode(name)).into_owned();
            let value = percent_decode(value);
            let label = Label::from_bytes(&value);
            let text = || Some(String::from_utf8_lossy(&value).into_owned());
            match name.as_str() {
                "team" => query.team = text(),
                "key" => query.key = text(),
                "model" => query.model = text(),
                "provider" => query.provider = text(),
                "user" => (query.user, query.attribution.user) = (text(), label),
                "agent" => query.attribution.agent = label,
                "session" => query.attribution.session = label,
                "workflow" => query.attribution.workflow = label,
                _ => match name.strip_prefix("header:") {
                    Some(header) => {
                        query.headers.push((header.to_ascii_lowercase().into_bytes(), value));
                    }
                    None => {
                        let known = PARAMETERS.join(", ");
                        return Err(Denial::Query(format!("The query may have: {known}.")));
                    }
                },
            }
        }
        Ok(query)
    }
}

fn entry<S: Store>(ledger: &Ledger<'_, S>, account: &Account, now: Millis) -> Result<String, Denial> {
    let counter = ledger.read(account, now).map_err(Denial::Store)?;
    let (spent, held) = (counter.spent(), counter.held());
    let Account { budget, subject, limits, .. } = account;
    let mut line = String::from("{\"name\":");
    push_json_string(&mut line, &budget.name);
    line.push_str(",\"per\":");
    push_json_string(&mut line, &budget.per_text());
    line.push_str(",\"subject\":");
    push_json_string(&mut line, subject);
    line.push_str(&format!(",\"window\":\"{}\",\"spent\":{}", budget.window.window.name(), amounts(spent)));
    line.push_str(&format!(",\"held\":{},\"limit\":{}", amounts(held), measures(limits)));
    line.push_str(&format!(",\"left\":{}", measures(&limits.left(counter.used(), held.requests))));
    line.push_str(",\"resets_at\":");
    push_optional(&mut line, budget.window.resets_at(now).map(Millis::to_rfc3339).as_deref());
    line.push('}');
    Ok(line)
}

fn push_entry(list: &mut String, entry: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(entry);
}

fn amounts(amounts: Amounts) -> String {
    let Amounts { usd, input, output, requests } = amounts;
    let tokens = amounts.tokens();
    format!(
        "{{\"usd\":\"{usd}\",\"tokens\":{tokens},\"input_tokens\":{input},\"output_tokens\":{output},\
         \"requests\":{requests}}}"
    )
}

fn measures(limits: &Limits) -> String {
    let number = |count: Option<u64>| count.map_or_else(|| "null".to_owned(), |count| count.to_string());
    let usd = limits.usd.map_or_else(|| "null".to_owned(), |usd| format!("\"{usd}\""));
    format!(
        "{{\"usd\":{usd},\"tokens\":{},\"input_tokens\":{},\"output_tokens\":{},\"requests\":{},\"concurrent\":{}}}",
        number(limits.tokens),
        number(limits.input_tokens),
        number(limits.output_tokens),
        number(limits.requests),
        number(limits.concurrent)
    )
}

#[cfg(test)]
mod tests;
