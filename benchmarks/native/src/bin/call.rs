//! Calls a method of a gRPC server over several connections, so many calls at a time or so many a second, and
//! says how they ended and how long those took that went well.
//!
//! What to do comes as a line of JSON on the input; the answer is a line on the output.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use dealwright_bench::Raw;
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const MILLIS: f64 = 1000.0;

#[derive(Deserialize)]
struct Task {
    address: String,
    method: String,
    /// A file of requests, each behind its length in four bytes; they are sent in turns.
    requests: String,
    /// Empty: none.
    token: String,
    connections: usize,
    seconds: f64,
    deadline_seconds: f64,
    #[serde(flatten)]
    pace: Pace,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pace {
    /// So many callers, each of whom waits for an answer before the next call.
    AtATime(usize),
    /// So many calls, whatever comes back. A call's time counts from when it was due.
    PerSecond(f64),
}

#[derive(Default, Serialize)]
struct Load {
    seconds: f64,
    /// Codes of status by how often there were.
    ends: BTreeMap<String, u64>,
    /// Milliseconds.
    taken: Vec<f64>,
}

struct Caller {
    channels: Vec<Channel>,
    path: PathAndQuery,
    requests: Vec<Bytes>,
    token: Option<MetadataValue<Ascii>>,
    deadline: Duration,
    begin: Instant,
    load: RefCell<Load>,
}

impl Caller {
    async fn call(&self, number: usize, due: Instant) {
        let ended = self.answer(number).await;
        let code = ended.as_ref().map_or_else(|status| named(status.code()), |()| "OK".to_owned());
        let mut load = self.load.borrow_mut();
        *load.ends.entry(code).or_default() += 1;
        if ended.is_ok() {
            load.taken.push(due.elapsed().as_secs_f64() * MILLIS);
        }
    }

    /// A call that was never sent, since the server was about to close its connection, goes over the next one, as
    /// the clients of gRPC have it everywhere.
    async fn answer(&self, number: usize) -> Result<(), Status> {
        loop {
            match self.attempt(number).await {
                Err(status) if unsent(&status) => {}
                ended => return ended,
            }
        }
    }

    async fn attempt(&self, number: usize) -> Result<(), Status> {
        let body = &self.requests[number % self.requests.len()];
        let mut request = Request::new(body.clone());
        request.set_timeout(self.deadline);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        let mut grpc = Grpc::new(self.channels[number % self.channels.len()].clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        tokio::time::timeout(self.deadline, grpc.unary(request, self.path.clone(), Raw))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
            .map(drop)
    }

    async fn at_a_time(self: &Rc<Self>, callers: usize, seconds: Duration) {
        let until = self.begin + seconds;
        let numbers = Rc::new(RefCell::new(0..));
        let going = (0..callers).map(|_| {
            let (caller, numbers) = (Rc::clone(self), Rc::clone(&numbers));
            tokio::task::spawn_local(async move {
                while Instant::now() < until {
                    let number = numbers.borrow_mut().next().unwrap_or_default();
                    caller.call(number, Instant::now()).await;
                }
            })
        });
        for each in going.collect::<Vec<_>>() {
            each.await.unwrap_or_default();
        }
    }

    async fn per_second(self: &Rc<Self>, calls: f64, seconds: Duration) {
        let total = (calls * seconds.as_secs_f64()).round() as usize;
        let mut going = Vec::with_capacity(total);
        for number in 0..total {
            let due = self.begin + Duration::from_secs_f64(number as f64 / calls);
            sleep_until(due).await;
            let caller = Rc::clone(self);
            going.push(tokio::task::spawn_local(async move { caller.call(number, due).await }));
        }
        for each in going {
            each.await.unwrap_or_default();
        }
    }
}

fn unsent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// As gRPC names it: `RESOURCE_EXHAUSTED`.
fn named(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn split(mut bytes: Bytes) -> Result<Vec<Bytes>, Failed> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let size = bytes::Buf::try_get_u32(&mut bytes)? as usize;
        requests.push(bytes.split_to(size));
    }
    Ok(requests)
}

async fn carry_out(task: Task) -> Result<Load, Failed> {
    let mut channels = Vec::new();
    for _ in 0..task.connections {
        channels.push(Endpoint::from_shared(format!("http://{}", task.address))?.connect().await?);
    }
    let token = match task.token.as_str() {
        "" => None,
        token => Some(format!("Bearer {token}").parse()?),
    };
    let caller = Rc::new(Caller {
        channels,
        path: task.method.parse()?,
        requests: split(std::fs::read(&task.requests)?.into())?,
        token,
        deadline: Duration::from_secs_f64(task.deadline_seconds),
        begin: Instant::now(),
        load: RefCell::default(),
    });
    let seconds = Duration::from_secs_f64(task.seconds);
    match task.pace {
        Pace::AtATime(callers) => caller.at_a_time(callers, seconds).await,
        Pace::PerSecond(calls) => caller.per_second(calls, seconds).await,
    }
    let mut load = caller.load.take();
    load.seconds = caller.begin.elapsed().as_secs_f64();
    Ok(load)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let mut asked = String::new();
    std::io::stdin().read_to_string(&mut asked)?;
    let load = LocalSet::new().run_until(carry_out(serde_json::from_str(&asked)?)).await?;
    println!("{}", serde_json::to_string(&load)?);
    Ok(())
}
