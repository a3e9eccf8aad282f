//! Serves an echo and the engine from Rust, on one thread: what Evaluate would cost without Python around it.
//!
//! `serve RULESET` takes a file with the bytes of a ruleset, says where it listens, and ends with its input.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use dealwright_bench::Raw;
use dealwright_wire::{Compiled, Timestamp};
use tokio::net::TcpListener;
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tower_service::Service;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What answers, by the last part of the path: `Echo` with as many bytes as its request begins with, `Engine` a cart.
#[derive(Clone)]
struct Bare(Arc<Compiled>);

impl NamedService for Bare {
    const NAME: &'static str = "benchmark.Bare";
}

impl<B> Service<http::Request<B>> for Bare
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<Failed> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: http::Request<B>) -> Self::Future {
        let engine = asked.uri().path().ends_with("/Engine").then(|| Arc::clone(&self.0));
        Box::pin(async move { Ok(Grpc::new(Raw).unary(Answer(engine), asked).await) })
    }
}

struct Answer(Option<Arc<Compiled>>);

impl Service<Request<Bytes>> for Answer {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Request<Bytes>) -> Self::Future {
        let body = asked.into_inner();
        ready(match &self.0 {
            None => echo(body),
            Some(ruleset) => ruleset
                .evaluate(&body, Timestamp::now())
                .map(|bytes| Response::new(bytes.into()))
                .map_err(|_| Status::invalid_argument("the engine refuses the cart")),
        })
    }
}

fn echo(mut body: Bytes) -> Result<Response<Bytes>, Status> {
    let size = body.try_get_u32().map_err(|_| Status::invalid_argument("no size to answer with"))?;
    Ok(Response::new(vec![0; size as usize].into()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let file = std::env::args().nth(1).ok_or("usage: serve RULESET")?;
    let ruleset = Compiled::compile(&std::fs::read(file)?).map_err(|_| "the ruleset isn't valid")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = Server::builder().add_service(Bare(Arc::new(ruleset)));
    serving.serve_with_incoming_shutdown(incoming, async { drop(ended.await) }).await?;
    Ok(())
}
