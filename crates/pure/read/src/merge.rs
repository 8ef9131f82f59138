//! What was asked for, from a file, and what is, from the row or description that a command printed:
//! one object. So are several prints of which each shows a part.
//!
//! A file that was to be applied says nothing of its object's state; people paste `kubectl get` beside it.
//! Where both say the same field, the file keeps its word: it shows the whole of it. Of two prints the
//! longer keeps its word. Deliberately absent: which print is the later one; nothing tells.

use defib_model::views::meta::SOME_VALUE;
use serde_json::Value;

use crate::object::{self, Parsed, View};

/// Takes the state from what a command printed, if this is a file that was to be applied and knows none.
pub(crate) fn state(file: &mut Parsed, print: &Parsed) {
    let o = &file.object;
    let applied = !o.printed && o.uid.is_empty() && o.revision == 0;
    if !applied || !print.object.printed {
        return;
    }
    let shown = |o: &defib_model::cluster::Origin| o.end - o.start;
    let longer = o
        .state
        .is_none_or(|known| shown(&known) < shown(&print.object.origin));
    // The first print fills in; a longer one says more of the same.
    let first = o.state.is_none();
    if longer && take(&mut file.view, &print.view, first) {
        file.object.state = Some(print.object.origin);
    }
}

/// Prints of one object that are joined; nobody pastes more, and each costs a pass over the others.
const PRINTS: usize = 32;

/// Joins two prints of one object.
pub(crate) fn prints(known: &mut Parsed, mut other: Parsed) {
    let length = |p: &Parsed| p.object.origin.end - p.object.origin.start;
    let newer = (length(&other), std::cmp::Reverse(other.object.origin))
        > (length(known), std::cmp::Reverse(known.object.origin));
    if newer {
        std::mem::swap(known, &mut other);
    }
    let (Some(long), Some(short)) = (&known.shown, &other.shown) else {
        return;
    };
    if known.object.prints.len() + other.object.prints.len() >= PRINTS {
        return;
    }
    let (Ok(mut joined), Ok(less)) = (
        serde_json::from_slice::<Value>(long),
        serde_json::from_slice::<Value>(short),
    ) else {
        return;
    };
    fill(&mut joined, less);
    let Ok(bytes) = serde_json::to_vec(&joined) else {
        return;
    };
    let Ok(mut parsed) = object::read(&bytes, known.object.origin, None) else {
        return;
    };
    let each = |p: &mut Parsed| {
        let mut all = std::mem::take(&mut p.object.prints);
        if let (true, Some(shown)) = (all.is_empty(), &p.shown) {
            all.push((p.object.origin, shown.clone()));
        }
        all
    };
    parsed.object.prints = each(known);
    parsed.object.prints.extend(each(&mut other));
    if known.object.asked_on == other.object.asked_on {
        parsed.object.asked_on = std::mem::take(&mut known.object.asked_on);
    }
    parsed.object.printed = true;
    parsed.shown = Some(bytes.into_boxed_slice());
    *known = parsed;
}

/// Takes over what is not there yet; of conditions those of other types.
fn fill(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    None => {
                        into.insert(key, value);
                    }
                    // What one print leaves empty another may show.
                    Some(Value::String(known)) if known.is_empty() || known == SOME_VALUE => {
                        into.insert(key, value);
                    }
                    Some(known) => fill(known, value),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            if into.is_empty() {
                *into = from;
                return;
            }
            for one in from {
                let kind = one.get("type").and_then(Value::as_str);
                let new = kind.is_some() && !into.iter().any(|k| k.get("type") == one.get("type"));
                if new && into.iter().all(|k| k.get("type").is_some()) {
                    into.push(one);
                }
            }
        }
        _ => {}
    }
}

/// Takes over what the file does not say. False when the file knows its state, or the kind has none.
fn take(file: &mut View, print: &View, first: bool) -> bool {
    match (file, print) {
        (View::Pod(file), View::Pod(print)) if !first || file.status.phase.is_empty() => {
            file.status = print.status.clone();
            if file.spec.node_name.is_empty() {
                file.spec.node_name.clone_from(&print.spec.node_name);
            }
            true
        }
        (View::Claim(file), View::Claim(print)) if !first || file.status.phase.is_empty() => {
            file.status = print.status.clone();
            if file.spec.volume_name.is_empty() {
                file.spec.volume_name.clone_from(&print.spec.volume_name);
            }
            if file.spec.storage_class_name.is_none() {
                // The API server fills in the default class.
                file.spec
                    .storage_class_name
                    .clone_from(&print.spec.storage_class_name);
            }
            true
        }
        (View::Volume(file), View::Volume(print)) if !first || file.status.phase.is_empty() => {
            file.status = print.status.clone();
            if file.spec.claim_ref.is_none() {
                file.spec.claim_ref.clone_from(&print.spec.claim_ref);
            }
            if file.spec.access_modes.is_empty() {
                file.spec.access_modes.clone_from(&print.spec.access_modes);
            }
            if file.spec.capacity.is_empty() {
                file.spec.capacity.clone_from(&print.spec.capacity);
            }
            if file.spec.storage_class_name.is_empty() {
                file.spec
                    .storage_class_name
                    .clone_from(&print.spec.storage_class_name);
            }
            true
        }
        (View::Namespace(file), View::Namespace(print))
            if !first || file.status.phase.is_empty() =>
        {
            file.status = print.status.clone();
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use defib_model::bundle::{Bundle, Entry};
    use defib_model::cluster::{Cluster, Object};

    use crate::{Reader, SignalSet};

    fn read(texts: &[&str]) -> Cluster {
        let signals = SignalSet::new(std::iter::empty());
        let mut reader = Reader::new(&signals);
        for (i, text) in texts.iter().enumerate() {
            let entry = Entry {
                id: i.to_string(),
                probe: "file".to_owned(),
                ..Entry::default()
            };
            reader.entry(&entry, text.as_bytes());
        }
        reader.finish(&Bundle::default())
    }

    const FILE: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: ledger\n  namespace: shop\nspec:\n  selector:\n    matchLabels: {disk: big}\n";
    const ROW: &str = "$ kubectl get pvc -n shop\nNAME     STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   AGE\nledger   Pending                                      slow           5m\n";

    /// In any order the two say the same of one claim.
    fn one_claim(a: &str, b: &str, object: impl Fn(&Object)) {
        for texts in [[a, b], [b, a]] {
            let cluster = read(&texts);
            let claim = &cluster.claims[0];
            assert_eq!(
                (cluster.claims.len(), claim.status.phase.as_str()),
                (1, "Pending")
            );
            assert!(claim.spec.selector.is_some());
            assert_eq!(claim.spec.storage_class_name.as_deref(), Some("slow"));
            object(cluster.object(claim.obj).unwrap());
        }
    }

    #[test]
    fn a_file_and_its_row_are_one_object() {
        one_claim(FILE, ROW, |o| assert!(o.state.is_some() && !o.printed));
    }

    #[test]
    fn two_prints_are_one_object() {
        let cells = "$ kubectl get pvc ledger -n shop -o jsonpath='{.spec.selector}'\n{\"matchLabels\":{\"disk\":\"big\"}}\n";
        one_claim(ROW, cells, |o| {
            assert_eq!((o.printed, o.prints.len()), (true, 2));
        });
    }

    #[test]
    fn an_object_of_the_api_keeps_its_own_state() {
        let live = format!("{FILE}status:\n  phase: Bound\n")
            .replace("name: ledger", "name: ledger\n  uid: a-1");
        let cluster = read(&[&live, ROW]);
        assert_eq!(cluster.claims[0].status.phase, "Bound");
    }
}
