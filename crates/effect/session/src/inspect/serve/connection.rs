//! Connections: how many, how long, how large, and who may ask.
//!
//! A client may be hostile before it has shown the token, and a stored object always. Deliberately absent: bodies
//! of requests, which nothing that only reads has any use for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use defib_store::api::{self, Answer, Body, Question, Status};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::patient::Patient;
use super::signals::Told;
use super::strangers::{Stranger, Strangers};

/// Connections of the owner at once.
const CONNECTIONS: usize = 512;
/// Connections at once that have not shown the token.
const STRANGERS: usize = 128;
/// Time in which no other connection ends one that has not: the owner's own handshakes take a part of it.
const MOMENT: Duration = Duration::from_secs(1);
/// Answers that are made at once.
pub(super) const ANSWERS: usize = 16;
/// Time for the handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time in which a client has to take a piece of an answer.
const SLOWEST: Duration = Duration::from_secs(120);
/// Bytes of a request's head.
const HEAD: usize = 64 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// Pieces of an answer that wait for the client.
const WAITING: usize = 2;

/// Takes connections until it is told to end.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    shared: Arc<Shared>,
    mut told: Told,
) {
    let acceptor = TlsAcceptor::from(tls);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let strangers = Arc::new(Strangers::new(STRANGERS, MOMENT));
    let serving = async {
        loop {
            strangers.room().await;
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: those that end give some back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
            let room = Arc::clone(&room);
            strangers.begin(|stranger| {
                let caller = Caller {
                    stranger,
                    room,
                    place: OnceLock::new(),
                };
                connection(stream, acceptor, shared, Arc::new(caller))
            });
        }
    };
    tokio::select! {
        () = serving => {}
        () = told.heard() => {}
    }
}

/// Who is at the other end of a connection: a stranger, until the token is shown.
struct Caller {
    stranger: Stranger,
    room: Arc<Semaphore>,
    place: OnceLock<OwnedSemaphorePermit>,
}

impl Caller {
    /// It showed the token; is there room for one more connection of the owner?
    fn has_place(&self) -> bool {
        if self.place.get().is_none() {
            let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
                return false;
            };
            self.stranger.is_known();
            // Of two requests at once the first has it, and the other gives its own back.
            let _ = self.place.set(place);
        }
        true
    }
}

/// One connection; what goes wrong with it is its client's business.
async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    caller: Arc<Caller>,
) {
    // Without it, what ends a page waits for the client's word that it has the page's begin.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, SLOWEST);
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let service = service_fn(move |request| {
        let (shared, caller) = (Arc::clone(&shared), Arc::clone(&caller));
        async move { answer(request, shared, &caller).await }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(HEADERS)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// What goes before an answer.
struct Head {
    code: u16,
    is_json: bool,
    warnings: Vec<String>,
}

/// Has a request answered, piece by piece, by a thread of its own.
async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    caller: &Caller,
) -> Result<Response<Pieces>, Infallible> {
    let refused = match is_allowed(request.headers(), &shared.token) {
        false => Some(Status::unauthorized()),
        true => (!caller.has_place()).then(Status::no_room),
    };
    let (head, body) = (oneshot::channel(), mpsc::channel(WAITING));
    let (say_head, hear_head) = head;
    let (say, hear) = body;
    let runtime = tokio::runtime::Handle::current();
    let (parts, _) = request.into_parts();
    tokio::task::spawn_blocking(move || {
        let send = |piece: Vec<u8>| {
            let sent = timeout(SLOWEST, say.send(Bytes::from(piece)));
            matches!(runtime.block_on(sent), Ok(Ok(())))
        };
        let accepts: Vec<&str> = parts
            .headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .collect();
        let Answer {
            code,
            is_json,
            warnings,
            body,
        } = if let Some(status) = refused {
            api::refused(&status)
        } else {
            let question = Question {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                accept: &accepts.join(","),
                now: jiff::Timestamp::now(),
            };
            shared.api.answer(&shared.dead, &question)
        };
        let head = Head {
            code,
            is_json,
            warnings,
        };
        if say_head.send(head).is_err() || parts.method == Method::HEAD {
            return;
        }
        match body {
            Body::Whole(bytes) => {
                send(bytes);
            }
            Body::Pieces(mut pieces) => {
                for piece in pieces.by_ref() {
                    if !piece.is_empty() && !send(piece) {
                        return;
                    }
                }
                if pieces.unread.0 > 0 {
                    let (count, why) = &pieces.unread;
                    (shared.tell)(&format!("{count} objects were left out: {why}"));
                }
            }
        }
    });
    // A thread that died says nothing.
    let head = hear_head.await.unwrap_or(Head {
        code: 500,
        is_json: true,
        warnings: Vec::new(),
    });
    let mut response = Response::new(Pieces { hear });
    *response.status_mut() = hyper::StatusCode::from_u16(head.code).unwrap_or_default();
    let headers = response.headers_mut();
    let kind = if head.is_json {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for warning in &head.warnings {
        let clean: String = warning
            .chars()
            .map(|c| match c {
                '"' | '\\' => '\'',
                ' '..='~' => c,
                _ => '?',
            })
            .collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{clean}\"")) {
            headers.append("warning", value);
        }
    }
    Ok(response)
}

/// Does the request carry the token? The comparison takes as long for a near miss as for a far one.
fn is_allowed(headers: &HeaderMap, token: &str) -> bool {
    let said = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let said = said.and_then(|s| s.strip_prefix(b"Bearer "));
    said.is_some_and(|said| said.ct_eq(token.as_bytes()).into())
}

/// An answer's pieces, as they come.
struct Pieces {
    hear: mpsc::Receiver<Bytes>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.hear
            .poll_recv(context)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
