//! Putting parts together. In: parts, and how much one box stands for. Out: boxes, the groups around them, and arrows.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::{IndexMap, IndexSet};

use super::{
    Folding,
    parts::{Call, Kind, Link, Part, Parts, place},
};

/// Parts that are one box.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Part(usize),
    /// What a call of the user's made within groups, from this part on.
    Call(usize),
    /// All that these groups are around.
    Group(Vec<String>),
    /// All that a line of the user's made: a file and a line.
    Line(&'static str, u32),
}

/// One box.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) groups: Vec<String>,
    pub(super) kind: Kind,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) tip: String,
    /// The parts that it stands for.
    pub(super) members: Vec<usize>,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    pub(super) boxes: Vec<Drawn>,
    /// Each group that is around a box, those outside before those inside.
    pub(super) groups: IndexSet<Vec<String>>,
    /// From and to a box, with the types of what is passed on.
    pub(super) arrows: BTreeMap<(usize, usize), Vec<String>>,
}

/// How many types an arrow tells.
const MAX_TYPES: usize = 2;
/// How many parts a tip lists.
const MAX_TIPS: usize = 12;

impl Drawing {
    pub(super) fn new(parts: &Parts, folding: Folding) -> Drawing {
        let runs = runs(parts);
        let mut members: IndexMap<Key, Vec<usize>> = IndexMap::new();
        let box_of: Vec<usize> = (parts.parts.iter().enumerate())
            .map(|(position, part)| {
                let entry = members.entry(key(part, position, runs[position], folding));
                let number = entry.index();
                entry.or_default().push(position);
                number
            })
            .collect();
        let split = split_calls(parts, &runs);
        let boxes: Vec<Drawn> =
            members.iter().map(|(key, members)| drawn(key, members, &parts.parts, &split)).collect();
        let mut groups = IndexSet::new();
        for drawn in &boxes {
            (1..=drawn.groups.len()).for_each(|depth| _ = groups.insert(drawn.groups[..depth].to_vec()));
        }
        let mut arrows: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for link in &parts.links {
            let (from, to) = (box_of[link.from], box_of[link.to]);
            let types = arrows.entry((from, to)).or_default();
            if from != to && !types.contains(&link.ty) {
                types.push(link.ty.clone());
            }
        }
        arrows.retain(|(from, to), _| from != to);
        for types in arrows.values_mut().filter(|types| types.len() > MAX_TYPES) {
            types.truncate(MAX_TYPES - 1);
            types.push("…".to_owned());
        }
        Drawing { boxes, groups, arrows }
    }
}

/// For each part the first of those that one call made within the same groups, that are linked with each other, and between which
/// no way leads through other parts: so boxes are in no circle.
fn runs(parts: &Parts) -> Vec<usize> {
    let n_parts = parts.parts.len();
    let is_one_call = |link: &Link| {
        let [one, other] = [link.from, link.to].map(|position| &parts.parts[position]);
        one.call.is_some() && (one.call, &one.groups) == (other.call, &other.groups)
    };
    // Links are in the order of their ends. A way that leaves a call and comes back to it is at a higher level.
    let mut levels = vec![0; n_parts];
    for link in &parts.links {
        levels[link.to] = levels[link.to].max(levels[link.from] + usize::from(!is_one_call(link)));
    }
    let mut first: Vec<usize> = (0..n_parts).collect();
    let find = |first: &[usize], position: usize| {
        let mut root = position;
        while first[root] != root {
            root = first[root];
        }
        root
    };
    for link in parts.links.iter().filter(|link| is_one_call(link) && levels[link.from] == levels[link.to]) {
        let [one, other] = [link.from, link.to].map(|position| find(&first, position));
        let root = one.min(other);
        // What both led to leads to the first at once, so that chains stay short.
        [one, other, link.from, link.to].into_iter().for_each(|position| first[position] = root);
    }
    (0..n_parts).map(|position| find(&first, position)).collect()
}

/// The calls whose parts are several runs.
fn split_calls(parts: &Parts, runs: &[usize]) -> HashSet<Call> {
    let mut first_runs: HashMap<Call, usize> = HashMap::new();
    let calls = parts.parts.iter().zip(runs).filter_map(|(part, run)| Some((part.call?, *run)));
    calls.filter(|(call, run)| *first_runs.entry(*call).or_insert(*run) != *run).map(|(call, _)| call).collect()
}

fn key(part: &Part, position: usize, run: usize, folding: Folding) -> Key {
    let deepest = match folding {
        Folding::Operations => return Key::Part(position),
        Folding::Calls => usize::MAX,
        Folding::Scopes(depth) => depth,
        Folding::Lines => return Key::Line(part.site.file, part.site.line),
    };
    match part.call {
        _ if part.groups.len() > deepest => Key::Group(part.groups[..=deepest].to_vec()),
        Some(_) => Key::Call(run),
        None => Key::Part(position),
    }
}

fn drawn(key: &Key, members: &[usize], parts: &[Part], split: &HashSet<Call>) -> Drawn {
    let first = &parts[members[0]];
    if let (Key::Part(_) | Key::Call(_), [_]) = (key, members) {
        let Part { groups, kind, title, detail, tip, .. } = first.clone();
        return Drawn { groups, kind, title, detail, tip, members: members.to_vec() };
    }
    let detail = match members.len() {
        1 => "1 node".to_owned(),
        n => format!("{n} nodes"),
    };
    let mut tips: Vec<&str> =
        members.iter().take(MAX_TIPS).map(|member| parts[*member].tip.lines().next().unwrap_or("")).collect();
    if members.len() > MAX_TIPS {
        tips.push("…");
    }
    let (tip, kind, positions) = (tips.join("\n"), Kind::Folded, members.to_vec());
    match key {
        Key::Group(groups) => {
            let (title, around) = groups.split_last().expect("invariant: a group has a name");
            Drawn { groups: around.to_vec(), kind, title: title.clone(), detail, tip, members: positions }
        }
        Key::Line(..) => {
            let title = names(members.iter().map(|member| parts[*member].title.as_str()));
            let detail = format!("{detail}, {}", place(first.site));
            Drawn { groups: Vec::new(), kind, title, detail, tip, members: positions }
        }
        Key::Call(_) => {
            let call = first.call.expect("invariant: a run is of a call");
            // The whole of a call has its name.
            let title = match split.contains(&call) {
                true => names(members.iter().map(|member| parts[*member].title.as_str())),
                false => call.0.to_owned(),
            };
            let detail = format!("{detail}, {}", place(call.1));
            Drawn { groups: first.groups.clone(), kind, title, detail, tip, members: positions }
        }
        Key::Part(_) => unreachable!("invariant: a part is one box by itself"),
    }
}

/// The first operations, and the last.
fn names<'p>(titles: impl Iterator<Item = &'p str>) -> String {
    let distinct: IndexSet<&str> = titles.map(|title| title.split('(').next().unwrap_or(title)).collect();
    match distinct.iter().collect::<Vec<_>>()[..] {
        [first, second, _, .., last] => format!("{first}, {second}, …, {last}"),
        _ => distinct.into_iter().collect::<Vec<_>>().join(", "),
    }
}
