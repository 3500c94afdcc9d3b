//! A caller that ends its request with trailers, over HTTP/2: there the body's last piece does not say
//! that it is the last.

use crate::envoy::Envoy;
use crate::patience::within;
use bytes::Bytes;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

/// Posts `body` in pieces, then trailers, and reads the whole answer: its status and its body.
///
/// # Panics
/// If no answer comes.
pub async fn post_with_trailers(
    envoy: &Envoy,
    path: &str,
    headers: &[(&str, &str)],
    pieces: &[&[u8]],
    trailers: &[(&'static str, &str)],
) -> (u16, Vec<u8>) {
    within("the answer to a request with trailers", async {
        let socket = TcpStream::connect(envoy.address()).await.expect("the gateway listens");
        let (mut client, connection) =
            h2::client::handshake(socket).await.expect("the gateway speaks HTTP/2");
        let connection = tokio::spawn(connection);
        let mut request = Request::post(format!("http://{}{path}", envoy.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a valid request");
        let (answer, mut body) = client.send_request(request, false).expect("a new stream");
        // A refusal may have come by now, and closed the stream: then the answer says what there is to say.
        for piece in pieces {
            let _ = body.send_data(Bytes::copy_from_slice(piece), false);
        }
        let trailers = trailers.iter().map(|(name, value)| {
            (name.parse().expect("a header name"), value.parse().expect("a header value"))
        });
        let _ = body.send_trailers(trailers.collect::<HeaderMap>());
        let answer = answer.await.expect("an answer");
        let status = answer.status().as_u16();
        let (mut received, mut rest) = (Vec::new(), answer.into_body());
        while let Some(bytes) = rest.data().await {
            let bytes = bytes.expect("the answer is whole");
            rest.flow_control().release_capacity(bytes.len()).expect("what was received");
            received.extend_from_slice(&bytes);
        }
        connection.abort();
        (status, received)
    })
    .await
}

/// A request whose body never ends.
pub struct Endless {
    _answer: h2::client::ResponseFuture,
    _body: h2::SendStream<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Endless {
    /// Posts so many bytes, and no end.
    ///
    /// # Panics
    /// If the gateway does not listen.
    pub async fn post(envoy: &Envoy, path: &str, key: &str, bytes: usize) -> Self {
        let socket = TcpStream::connect(envoy.address()).await.expect("the gateway listens");
        let (mut client, connection) =
            h2::client::handshake(socket).await.expect("the gateway speaks HTTP/2");
        let connection = tokio::spawn(connection);
        let request = Request::post(format!("http://{}{path}", envoy.address()));
        let request = request.header("authorization", format!("Bearer {key}")).body(());
        let (answer, mut body) =
            client.send_request(request.expect("a valid request"), false).expect("a new stream");
        body.send_data(vec![b' '; bytes].into(), false).expect("the stream is open");
        Self { _answer: answer, _body: body, connection }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
