//! The harness of the ledger's tests, without the filter: a Valkey is what it says it is whatever was done to it, and
//! faults happen when they say.

use farebox_tests::faults::{Fault, Faults};
use farebox_tests::patience::{until, within};
use farebox_tests::resp::{self, Resp};
use farebox_tests::tls_front::{self, TlsFront};
use farebox_tests::valkey::{Setup, Valkey};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

fn ok() -> Resp {
    Resp::Simple("OK".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valkey_keeps_what_it_was_told_to_keep() {
    let mut valkey = Setup::default().append_only("always").start().await;
    assert_eq!(valkey.command(&["INCRBY", "sum", "5"]).await, Resp::Integer(5));
    let address = valkey.address();
    valkey.kill();
    assert!(resp::exchange(address, &resp::command(&["GET", "sum"])).await.is_err());
    valkey.restart().await;
    assert_eq!((valkey.command(&["GET", "sum"]).await, valkey.address()), (Resp::text("5"), address));
    valkey.stop().await;
    valkey.restart().await;
    assert_eq!(valkey.command(&["INCRBY", "sum", "2"]).await, Resp::Integer(7));
    valkey.kill();
    valkey.lose_everything();
    valkey.restart().await;
    assert_eq!(valkey.command(&["GET", "sum"]).await, Resp::Bulk(None));

    let mut forgetful = Valkey::start().await;
    forgetful.command(&["SET", "sum", "5"]).await;
    forgetful.kill();
    forgetful.restart().await;
    assert_eq!(forgetful.command(&["GET", "sum"]).await, Resp::Bulk(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valkey_with_a_password_lets_nobody_else_in_and_one_of_a_cluster_tells_where_a_key_is() {
    let valkey = Setup::default().password("s3cret").start().await;
    assert_eq!(valkey.command(&["PING"]).await, Resp::Simple("PONG".into()));
    let answer = resp::exchange(valkey.address(), &resp::command(&["PING"])).await.unwrap();
    let (answers, rest) = resp::answers(&answer);
    assert!(answers[0].error().starts_with("NOAUTH") && rest == 0, "{answers:?}");

    let (one, other) = (Setup::default().cluster().start().await, Setup::default().cluster().start().await);
    assert!(one.command(&["SET", "{a}:k", "1"]).await.error().starts_with("CLUSTERDOWN"));
    one.serve_all_slots().await;
    assert_eq!(one.command(&["SET", "{a}:k", "1"]).await, ok());
    let crossed = one.command(&["MGET", "{a}:k", "{b}:k"]).await;
    assert!(crossed.error().starts_with("CROSSSLOT"), "{crossed:?}");
    // Of a node that serves no slot of it, another one says where a key is.
    other
        .command(&["CLUSTER", "MEET", "127.0.0.1", &one.address().port().to_string(), &one.bus().to_string()])
        .await;
    let moved = until("the other node to know it", async || {
        let answer = other.command(&["SET", "{a}:k", "1"]).await;
        answer.error().starts_with("MOVED").then(|| answer.error().to_owned())
    });
    assert_eq!(moved.await, format!("MOVED 15495 {}", one.address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_valkey_answers_when_it_goes_on() {
    let valkey = Valkey::start().await;
    valkey.pause();
    let address = valkey.address();
    let asked = tokio::spawn(async move { resp::exchange(address, &resp::command(&["INCR", "n"])).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished());
    valkey.go_on();
    assert_eq!(within("the answer", asked).await.unwrap().unwrap(), b":1\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_happens_before_or_after_the_command_as_it_says() {
    let valkey = Valkey::start().await;
    let faults = Faults::before(valkey.address()).await;
    // What the caller sees, and by how much the counter has grown.
    let cases: [(Fault, Option<&[u8]>, i64); 8] = [
        (Fault::None, Some(b":1\r\n+OK\r\n"), 1),
        (Fault::Refused, None, 0),
        (Fault::Lost, None, 0),
        (Fault::Unanswered, None, 1),
        (Fault::Cut(50), Some(b":3\r\n"), 1),
        (Fault::Late(30), Some(b":4\r\n+OK\r\n"), 1),
        (Fault::Overtaken(30), Some(b":5\r\n+OK\r\n"), 1),
        (Fault::Repeated, Some(b":6\r\n+OK\r\n"), 2),
    ];
    let call = [resp::command(&["INCR", "n"]), resp::command(&["QUIT"])].concat();
    let mut count = 0;
    for (number, (fault, seen, ran)) in cases.into_iter().enumerate() {
        faults.plan(move |_| fault);
        let answer = within("an answer", resp::exchange(faults.address(), &call)).await.ok();
        // A connection that is reset may look as if it were closed.
        let answer = answer.filter(|answer| !answer.is_empty());
        assert_eq!(answer.as_deref(), seen, "{fault:?}");
        faults.passed_count(number + 1).await;
        count += ran;
        let counted = valkey.command(&["GET", "n"]).await;
        assert_eq!(counted, Resp::text(&count.to_string()), "{fault:?}");
    }
    let passed = faults.passed();
    assert_eq!(passed[3].answer, b":2\r\n+OK\r\n");
    assert!(passed.iter().all(|passed| passed.fault == Fault::Refused || passed.call == call));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_repeats_its_faults_and_every_kind_comes() {
    let valkey = Valkey::start().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let faults = Faults::before(valkey.address()).await;
        faults.seeded(7, 60, 5);
        for number in 0..60 {
            let _ = within("a call", resp::exchange(faults.address(), &resp::command(&["PING"]))).await;
            faults.passed_count(number + 1).await;
        }
        runs.push(faults.passed().iter().map(|passed| passed.fault).collect::<Vec<_>>());
        faults.heal();
        assert_eq!(resp::exchange(faults.address(), &resp::command(&["PING"])).await.unwrap(), b"+PONG\r\n");
    }
    assert_eq!(runs[0], runs[1]);
    let kinds: BTreeSet<_> = runs[0].iter().map(|fault| format!("{:.4}", format!("{fault:?}"))).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valkey_is_reached_by_tls_with_a_certificate_for_its_name() {
    let valkey = Valkey::start().await;
    let front = TlsFront::before(valkey.address()).await;
    let ask = |name: &'static str| {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "s_client",
            "-quiet",
            "-verify_quiet",
            "-verify_return_error",
            "-verify_hostname",
            name,
        ]);
        openssl.arg("-connect").arg(front.address().to_string()).arg("-CAfile").arg(front.certificate());
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut asking = openssl.spawn().unwrap();
        async move {
            let call = [resp::command(&["INCR", "n"]), resp::command(&["QUIT"])].concat();
            let mut input = asking.stdin.take().unwrap();
            // Of one that did not accept the certificate the input is closed.
            let _ = input.write_all(&call).await;
            let output = within("openssl to end", asking.wait_with_output()).await.unwrap();
            drop(input);
            output.stdout
        }
    };
    assert_eq!(ask(tls_front::NAME).await, b":1\r\n+OK\r\n");
    assert_eq!(ask("other.test").await, b"");
    assert_eq!(valkey.command(&["GET", "n"]).await, Resp::text("1"));
}
