//! Runs a Valkey of several nodes in cluster mode, each of which serves a part of the slots, and moves slots from one to
//! another.

use crate::patience::until;
use crate::resp::Resp;
use crate::valkey::{Setup, Valkey};

/// Slots of a cluster.
const SLOTS: usize = 16_384;

/// A running cluster. Dropping it kills its nodes.
pub struct ValkeyCluster {
    /// Each serves an equal part of the slots at first, in this order.
    pub nodes: Vec<Valkey>,
    host: &'static str,
}

impl ValkeyCluster {
    /// So many nodes that name each other by this address of the loopback interface: `127.0.0.1` or `::1`.
    pub async fn start(count: usize, host: &'static str) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..count {
            let setup = Setup::default().cluster().bind(host).option("--cluster-announce-ip", host);
            nodes.push(setup.start().await);
        }
        let cluster = Self { nodes, host };
        for (at, node) in cluster.nodes.iter().enumerate() {
            let (from, to) = (SLOTS * at / count, SLOTS * (at + 1) / count);
            // Redis 6 has no `ADDSLOTSRANGE`.
            let slots: Vec<String> = (from..to).map(|slot| slot.to_string()).collect();
            let words: Vec<&str> =
                ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(|slot| &**slot)).collect();
            cluster.done(node, &words).await;
            // Each its own, or they argue about which one is the newer.
            cluster.done(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await;
        }
        let first = &cluster.nodes[0];
        for other in &cluster.nodes[1..] {
            let (port, bus) = (first.address().port().to_string(), first.bus().to_string());
            cluster.done(other, &["CLUSTER", "MEET", host, &port, &bus]).await;
        }
        cluster.whole().await;
        cluster
    }

    /// The node that serves the slot of `key`, by its place among them.
    pub async fn node_of(&self, key: &str) -> usize {
        for (at, node) in self.nodes.iter().enumerate() {
            if matches!(node.command(&["EXISTS", key]).await, Resp::Integer(_)) {
                return at;
            }
        }
        panic!("nobody serves {key}");
    }

    /// Moves the slot of `key` to the node at that place, with all that is in it.
    ///
    /// # Panics
    /// If a node refuses.
    pub async fn move_slot_of(&self, key: &str, to: usize) {
        let (from, to) = (&self.nodes[self.node_of(key).await], &self.nodes[to]);
        let Resp::Integer(slot) = from.command(&["CLUSTER", "KEYSLOT", key]).await else { panic!("no slot") };
        let slot = slot.to_string();
        let (source, target) = (id(from).await, id(to).await);
        self.done(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]).await;
        self.done(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]).await;
        let port = to.address().port().to_string();
        loop {
            let answer = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            let Resp::Array(keys) = answer else { panic!("no keys: {answer:?}") };
            if keys.is_empty() {
                break;
            }
            let keys: Vec<String> = keys.into_iter().map(text).collect();
            let mut words = vec!["MIGRATE", self.host, &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(|key| &**key));
            let answer = from.command(&words).await;
            assert!(matches!(&answer, Resp::Simple(word) if word == "OK" || word == "NOKEY"), "{answer:?}");
        }
        // The one that gets it first: nobody is to say that nobody has it.
        for node in [to, from].into_iter().chain(&self.nodes) {
            self.done(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &target]).await;
        }
    }

    async fn whole(&self) {
        for node in &self.nodes {
            until("the cluster to be whole", async || {
                let Resp::Bulk(Some(info)) = node.command(&["CLUSTER", "INFO"]).await else { return None };
                let all = format!("cluster_known_nodes:{}\r", self.nodes.len());
                (info.contains("cluster_state:ok") && info.contains(&all)).then_some(())
            })
            .await;
        }
    }

    async fn done(&self, node: &Valkey, words: &[&str]) {
        let answer = node.command(words).await;
        assert_eq!(answer, Resp::Simple("OK".into()), "{:?}", &words[..words.len().min(4)]);
    }
}

async fn id(node: &Valkey) -> String {
    text(node.command(&["CLUSTER", "MYID"]).await)
}

fn text(answer: Resp) -> String {
    match answer {
        Resp::Bulk(Some(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}
