//! Decides which server of the ledger is asked for a budget, and speaks to it.
//!
//! In cluster mode a budget is on one node, and any node names it (`MOVED`). It is followed only into the networks of the
//! configuration, as the filter does.

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;

use farebox_core::config::{Config, FleetLedger};
use redis::{Client, ErrorKind, IntoConnectionInfo};
use redis::{
    Cmd, Connection, ConnectionAddr, FromRedisValue, RedisConnectionInfo, RedisError, TlsCertificates,
};

use super::{LedgerError, Where, ledger_of};

/// How long a server may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Nodes that may lead to another one for one budget.
const MOVES: usize = 3;

/// The servers of a ledger.
pub(crate) struct Place<'a> {
    ledger: &'a FleetLedger,
    /// Where it begins.
    first: Address,
    /// Whom to be there, if not the filter's own user.
    user: Option<String>,
    open: BTreeMap<Address, Connection>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    tls: bool,
    host: String,
    port: u16,
}

impl Address {
    /// As one writes it.
    pub(crate) fn text(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{}://{host}:{}", if self.tls { "rediss" } else { "redis" }, self.port)
    }
}

impl<'a> Place<'a> {
    /// The ledger of `config`.
    ///
    /// # Errors
    /// If it has none, or nobody said where it listens.
    pub(crate) fn of(config: &'a Config, place: &Where) -> Result<Self, LedgerError> {
        let ledger = ledger_of(config)?;
        let first = addresses(ledger, place)?.into_iter().next();
        let nowhere =
            "ledger.endpoints: is missing: nobody said where it listens; --endpoint redis://host:port does";
        let first = first.ok_or_else(|| LedgerError::Nothing(nowhere.to_owned()))?;
        Ok(Self { ledger, first, user: place.user.clone(), open: BTreeMap::new() })
    }

    /// Asks the first server.
    ///
    /// # Errors
    /// What it refuses.
    pub(crate) fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, LedgerError> {
        let first = self.first.clone();
        self.ask_at(&first, command).map_err(|error| LedgerError::Server(first.text(), error))
    }

    /// Asks the server that has the keys of `command`.
    ///
    /// # Errors
    /// What it refuses.
    pub(crate) fn follow<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<(Address, T), LedgerError> {
        let mut at = self.first.clone();
        for _ in 0..MOVES {
            let error = match self.ask_at(&at, command) {
                Ok(value) => return Ok((at, value)),
                Err(error) => error,
            };
            let moved = error.redirect_node().and_then(|(node, _)| node.rsplit_once(':'));
            let Some((host, port)) =
                moved.filter(|_| error.kind() == ErrorKind::Server(redis::ServerErrorKind::Moved))
            else {
                return Err(LedgerError::Server(at.text(), error));
            };
            if !self.ledger.settings.networks.iter().any(|network| network.has(&format!("{host}:{port}"))) {
                let why =
                    format!("{}: leads to {host}:{port}, which is in none of \"ledger.networks\"", at.text());
                return Err(LedgerError::Nothing(why));
            }
            let Ok(port) = port.parse() else { return Err(LedgerError::Server(at.text(), error)) };
            at = Address { tls: at.tls, host: host.to_owned(), port };
        }
        Err(LedgerError::Nothing(format!("{}: its nodes do not agree on where a budget is", at.text())))
    }

    /// Asks the server at `address`.
    pub(crate) fn ask_at<T: FromRedisValue>(
        &mut self,
        address: &Address,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        if !self.open.contains_key(address) {
            let connection = connect(self.ledger, address, self.user.as_deref())?;
            self.open.insert(address.clone(), connection);
        }
        match self.open.get_mut(address) {
            Some(connection) => command.query(connection),
            None => Err(RedisError::from((ErrorKind::Io, "there is no connection"))),
        }
    }
}

/// Every place where `ledger` listens.
pub(crate) fn addresses(ledger: &FleetLedger, place: &Where) -> Result<Vec<Address>, LedgerError> {
    let Some(url) = &place.endpoint else {
        let address = |endpoint: &farebox_core::config::LedgerEndpoint| Address {
            tls: endpoint.tls,
            host: endpoint.host.to_string(),
            port: endpoint.port,
        };
        return Ok(ledger.endpoints.iter().map(address).collect());
    };
    let info = url.as_str().into_connection_info();
    let info = info.map_err(|error| LedgerError::Nothing(format!("--endpoint: {error}")))?;
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => Ok(vec![Address { tls: false, host: host.clone(), port: *port }]),
        ConnectionAddr::TcpTls { host, port, .. } => {
            Ok(vec![Address { tls: true, host: host.clone(), port: *port }])
        }
        _ => Err(LedgerError::Nothing(
            "--endpoint: must be redis://host:port or rediss://host:port".to_owned(),
        )),
    }
}

fn connect(ledger: &FleetLedger, address: &Address, user: Option<&str>) -> Result<Connection, RedisError> {
    let access = &ledger.settings.access;
    let mut who = RedisConnectionInfo::default().set_db(i64::from(access.db)).set_skip_set_lib_name();
    if let Some(username) = user.or(access.username.as_deref()) {
        who = who.set_username(username);
    }
    if let Some(password) = &access.password {
        who = who.set_password(password.expose());
    }
    let Address { tls, host, port } = address.clone();
    let at = if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let info = at.into_connection_info()?.set_redis_settings(who);
    let client = if tls { encrypted(ledger, info)? } else { Client::open(info)? };
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn encrypted(ledger: &FleetLedger, info: redis::ConnectionInfo) -> Result<Client, RedisError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let root_cert = match &ledger.ca_file {
        Some(file) => Some(std::fs::read(&**file).map_err(|cause| {
            RedisError::from((
                ErrorKind::Io,
                "the file of ledger.tls.ca_file cannot be read",
                cause.to_string(),
            ))
        })?),
        None => None,
    };
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
}
