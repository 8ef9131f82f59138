//! Fills a lab with nodes, pods and events by the thousand, for benchmarks of live collection.
//! Deliberately absent: the scheduler and owners. Pods name their node themselves (binding 5,000
//! pods measures the scheduler), and an owner that does not exist would get them collected.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::ApiClient;
use super::nodes_and_pods as objects;
use super::{LabError, wait_until};

/// Requests in flight. More only queue up before two cores.
const WORKERS: usize = 12;

/// How long controllers may take to furnish a namespace, and KWOK to run all pods.
const PATIENCE: Duration = Duration::from_secs(600);

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Populate {
    /// Pods, each of 8 KB and more as JSON.
    pub pods: usize,
    /// Nodes, annotated for KWOK.
    pub nodes: usize,
    /// Namespaces `load-000`, `load-001`, …
    pub namespaces: usize,
    /// Events about the pods.
    pub events: usize,
    /// Whether to wait until KWOK has made every pod Running.
    pub running: bool,
}

impl Default for Populate {
    fn default() -> Self {
        Self {
            pods: 5_000,
            nodes: 50,
            namespaces: 20,
            events: 10_000,
            running: true,
        }
    }
}

/// What was done, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Populated {
    /// The order.
    pub order: Populate,
    /// The smallest pod as the API server lists it, without managed fields, in bytes of JSON.
    pub smallest_pod: usize,
    /// How long namespaces, nodes and pods took.
    pub pods: Duration,
    /// How long the events took.
    pub events: Duration,
    /// How long KWOK took after that, if it was waited for.
    pub ran: Option<Duration>,
}

impl fmt::Display for Populated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Populate {
            pods,
            nodes,
            namespaces,
            events,
            ..
        } = self.order;
        write!(
            f,
            "{nodes} nodes, {pods} pods (the smallest {} bytes) in {namespaces} namespaces: {:.1}s; {events} events: {:.1}s",
            self.smallest_pod,
            self.pods.as_secs_f64(),
            self.events.as_secs_f64(),
        )?;
        match self.ran {
            Some(ran) => write!(f, "; all Running after another {:.1}s", ran.as_secs_f64()),
            None => write!(f, "; not waited for KWOK"),
        }
    }
}

/// Creates what the order says. Names are fixed by number, so filling twice is refused by the API
/// server.
pub fn populate(api: &ApiClient, order: &Populate) -> Result<Populated, LabError> {
    let begun = Instant::now();
    let namespaces = order.namespaces.max(1);
    let nodes = order.nodes.max(1);
    in_parallel(namespaces, |number| {
        api.create_quietly("/api/v1/namespaces", &objects::namespace(number))
    })?;
    // Nodes before pods: a pod on a node that does not exist is collected as garbage.
    in_parallel(nodes, |number| {
        api.create_quietly("/api/v1/nodes", &objects::node(number))
    })?;
    in_parallel(namespaces, |number| {
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/default",
            objects::namespace_name(number)
        );
        wait_until("namespaces have their account", PATIENCE, || {
            match api.get(&path) {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
    })?;
    in_parallel(order.pods, |number| {
        let namespace = number % namespaces;
        let path = format!(
            "/api/v1/namespaces/{}/pods",
            objects::namespace_name(namespace)
        );
        api.create_quietly(&path, &objects::pod(number, namespace, number % nodes))
    })?;
    let took_pods = begun.elapsed();
    let begun = Instant::now();
    let pods = order.pods.max(1);
    in_parallel(order.events, |number| {
        let pod = number % pods;
        let namespace = pod % namespaces;
        let path = format!(
            "/api/v1/namespaces/{}/events",
            objects::namespace_name(namespace)
        );
        api.create_quietly(&path, &objects::event(number, pod, namespace, pod % nodes))
    })?;
    let took_events = begun.elapsed();
    let ran = if order.running && order.pods > 0 {
        Some(wait_for_pods(api, order.pods, namespaces)?)
    } else {
        None
    };
    Ok(Populated {
        smallest_pod: smallest_pod(api, order, namespaces)?,
        order: order.clone(),
        pods: took_pods,
        events: took_events,
        ran,
    })
}

/// Waits until no pod is left that is not Running, asking for the first such pod only.
fn wait_for_pods(api: &ApiClient, pods: usize, namespaces: usize) -> Result<Duration, LabError> {
    let begun = Instant::now();
    for number in 0..namespaces.min(pods) {
        let path = format!(
            "/api/v1/namespaces/{}/pods?limit=1&fieldSelector=status.phase!=Running",
            objects::namespace_name(number)
        );
        wait_until(
            "KWOK has made every pod Running (is it started? `--kwok`)",
            PATIENCE,
            || {
                let list = api.get_json(&path).map_err(|error| error.to_string())?;
                let waiting = list
                    .pointer("/items/0/metadata/name")
                    .and_then(|name| name.as_str());
                waiting.map_or(Ok(()), |name| Err(format!("{name} is not Running")))
            },
        )?;
    }
    Ok(begun.elapsed())
}

/// The size of the smallest of the first pods, as a client that drops managed fields keeps it.
fn smallest_pod(api: &ApiClient, order: &Populate, namespaces: usize) -> Result<usize, LabError> {
    let mut smallest = usize::MAX;
    for number in 0..order.pods.min(10) {
        let namespace = objects::namespace_name(number % namespaces);
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{}",
            objects::pod_name(number)
        );
        let mut pod = api.get_json(&path)?;
        if let Some(metadata) = pod
            .get_mut("metadata")
            .and_then(|metadata| metadata.as_object_mut())
        {
            metadata.remove("managedFields");
        }
        smallest = smallest.min(pod.to_string().len());
    }
    Ok(if smallest == usize::MAX { 0 } else { smallest })
}

/// Does `0..count` with a few workers and stops at the first failure.
fn in_parallel(
    count: usize,
    work: impl Fn(usize) -> Result<(), LabError> + Sync,
) -> Result<(), LabError> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    if let Err(error) = work(number) {
                        next.store(count, Ordering::Relaxed);
                        if let Ok(mut failure) = failure.lock() {
                            failure.get_or_insert(error);
                        }
                        break;
                    }
                }
            });
        }
    });
    failure.into_inner().ok().flatten().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_is_done_once() {
        let seen = Mutex::new(Vec::new());
        in_parallel(1_000, |number| {
            seen.lock().unwrap().push(number);
            Ok(())
        })
        .unwrap();
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.len(), 1_000);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn the_first_failure_stops_the_rest() {
        let done = AtomicUsize::new(0);
        let outcome = in_parallel(1_000_000, |_| {
            done.fetch_add(1, Ordering::Relaxed);
            Err(LabError::NoSpawner)
        });
        assert!(matches!(outcome, Err(LabError::NoSpawner)));
        assert!(done.into_inner() <= WORKERS);
    }
}
