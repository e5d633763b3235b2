//! Values that a loop computes of what another one saved for it: y = f(s) where s is read for nothing else is saved instead of s.
//!
//! So the slope of a function is computed beside the function, with which it shares what is dear, and the loop of the derivative reads
//! it. Nodes that hang together, through each other or through a stack that goes away, move together, and only where what is saved
//! then takes no more memory than before, whatever the sizes are.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use super::factors::with_factors_first;
use crate::{
    graph::{Body, Dim, Graph, Node, NodeId, Op, Operands, Scan, ScanOutput, Type},
    ops,
    simplify::{Class, Swept, report::SimplifyReport},
};

/// The name under which values that are saved instead are reported.
pub(in crate::simplify) const SAVE_WHAT_IS_READ: &str = "save-what-is-read";

/// The graph in which loops save what others compute of what they saved, if there is any.
pub(super) fn moved(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    let needed = graph.needed(&swept.results);
    let families = graph.siblings(needed.iter().copied());
    let family_of: HashMap<NodeId, &[NodeId]> =
        families.iter().flat_map(|family| family.iter().map(move |id| (*id, family))).collect();
    let stacks = LoneStacks::new(graph, &needed, &swept.results, &family_of);
    let mut moves: Vec<Relocation> = Vec::new();
    let mut roles: HashMap<NodeId, (usize, LoopRole)> = HashMap::new();
    for reader in families.iter() {
        let savers: BTreeSet<NodeId> =
            graph.operands(reader[0]).iter().filter_map(|operand| Some(family_of.get(operand)?[0])).collect();
        for saver in savers.iter().map(|first| family_of[first]) {
            // Of two moves of one loop the second would be of what it was.
            if roles.contains_key(&saver[0]) || roles.contains_key(&reader[0]) {
                continue;
            }
            let Some(found) = LoopPair::new(graph, saver, reader).and_then(|pair| pair.planned(&stacks)) else {
                continue;
            };
            roles.extend(saver.iter().map(|id| (*id, (moves.len(), LoopRole::Saver))));
            roles.extend(reader.iter().map(|id| (*id, (moves.len(), LoopRole::Reader))));
            moves.push(found);
        }
    }
    if moves.is_empty() {
        return None;
    }
    for found in &moves {
        report.add(SAVE_WHAT_IS_READ, Class::Ulp, graph.node(found.reader).provenance.site);
    }
    Some(swept.copied(|new, id, image| {
        let (number, role) = roles.get(&id)?;
        let (found, node) = (&moves[*number], graph.node(id));
        Some(match role {
            LoopRole::Saver => new.insert(found.saving(&node.op), node.ty.clone(), &images(graph, id, image)),
            LoopRole::Reader => found.write_reader(graph, new, &node, image),
        })
    }))
}

#[derive(Clone, Copy)]
enum LoopRole {
    Saver,
    Reader,
}

fn images(graph: &Graph, id: NodeId, image: &dyn Fn(NodeId) -> NodeId) -> Vec<NodeId> {
    graph.operands(id).iter().map(|operand| image(*operand)).collect()
}

/// The stacks that one loop alone reads, each with the first sibling of that loop.
struct LoneStacks(HashMap<NodeId, NodeId>);

impl LoneStacks {
    fn new(graph: &Graph, needed: &[NodeId], results: &[NodeId], family_of: &HashMap<NodeId, &[NodeId]>) -> LoneStacks {
        let (mut lone, mut shared) = (HashMap::new(), results.iter().copied().collect::<HashSet<NodeId>>());
        for id in needed {
            let reader = family_of.get(id).map_or(*id, |family| family[0]);
            for operand in graph.operands(*id).iter().filter(|operand| family_of.contains_key(operand)) {
                if *lone.entry(*operand).or_insert(reader) != reader {
                    shared.insert(*operand);
                }
            }
        }
        lone.retain(|stack, _| !shared.contains(stack));
        LoneStacks(lone)
    }

    fn is_read_by_only(&self, stack: NodeId, reader: NodeId) -> bool {
        self.0.get(&stack) == Some(&reader)
    }
}

/// A loop and one that reads what it stacks, slice by slice.
struct LoopPair<'p> {
    graph: &'p Graph,
    saver: &'p [NodeId],
    reader: &'p [NodeId],
    save: Scan,
    /// The loop that reads, with factors that the saver can compute multiplied first.
    read: Scan,
    /// The numbers in that body of what the reader stacks, by those in its own.
    stacked: BTreeMap<usize, usize>,
    /// For each node of the reader's body, whether the saver can compute it, of its own nodes, slices and other operands, and some of what it
    /// stacks is among that.
    depends: Vec<bool>,
    /// For each argument of the reader's body the node of the saver's that it is.
    twins: Vec<Option<usize>>,
    /// For each node of the reader's body, those that read it.
    users: Vec<Vec<usize>>,
    /// Whether it is a next carry or stacked.
    is_wanted: Vec<bool>,
}

impl<'p> LoopPair<'p> {
    fn new(graph: &'p Graph, saver: &'p [NodeId], reader: &'p [NodeId]) -> Option<LoopPair<'p>> {
        let scan = |family: &[NodeId]| match &graph.node(family[0]).op {
            Op::Scan(scan) => Some(scan.clone()),
            _ => None,
        };
        let (save, read) = (scan(saver)?, scan(reader)?);
        let (given, asked) = (graph.operands(saver[0]), graph.operands(reader[0]));
        let twin = |argument: usize| {
            let of_stack = || saver.iter().find(|id| **id == asked[argument]);
            let of_operand = |is_sliced: bool| {
                (save.carries..given.len())
                    .find(|other| given[*other] == asked[argument] && save.is_sliced(*other) == is_sliced)
            };
            if argument < read.carries {
                None
            } else if read.is_sliced(argument) {
                of_stack().and_then(|id| graph.node(*id).op.scan_output().stacked_node()).or_else(|| of_operand(true))
            } else {
                of_operand(false)
            }
        };
        let twins: Vec<Option<usize>> = (0..read.body.n_arguments()).map(twin).collect();
        let stacked: Vec<usize> =
            reader.iter().filter_map(|id| graph.node(*id).op.scan_output().stacked_node()).collect();
        let of_saver = |argument: usize| read.is_sliced(argument) && saver.contains(&asked[argument]);
        let mut depends: Vec<bool> = (0..read.body.n_arguments()).map(of_saver).collect();
        let (body, stacked) = with_factors_first(&read.body, (&twins, &depends), &stacked);
        let read = Scan { body, ..read };
        let mut is_portable: Vec<bool> = twins.iter().map(Option::is_some).collect();
        let mut users = vec![Vec::new(); read.body.len()];
        for (number, node) in read.body.nodes().iter().enumerate().skip(read.body.n_arguments()) {
            let is_made_of_such = node.operands.iter().all(|operand| is_portable[operand.index()]);
            let is_of_stacks = is_made_of_such && node.operands.iter().any(|operand| depends[operand.index()]);
            // What is dear and of no stack is not computed in both loops.
            let may_move = is_portable_op(&node.node.op) && (is_of_stacks || !is_dear(&node.node.op));
            is_portable.push(may_move && is_made_of_such);
            depends.push(may_move && is_of_stacks);
            node.operands.iter().for_each(|operand| users[operand.index()].push(number));
        }
        let mut is_wanted = vec![false; read.body.len()];
        stacked.values().chain(read.body.results()).for_each(|number| is_wanted[*number] = true);
        Some(LoopPair { graph, saver, reader, save, read, stacked, depends, twins, users, is_wanted })
    }

    /// The stack that an argument is a slice of, if the saver alone gives it and nothing else reads it.
    fn stack(&self, argument: usize, stacks: &LoneStacks) -> Option<NodeId> {
        let asked = self.graph.operands(self.reader[0]);
        let stack = asked[argument];
        if asked.iter().filter(|operand| **operand == stack).count() != 1 {
            return None;
        }
        let is_saved = self.saver.contains(&stack) && stacks.is_read_by_only(stack, self.reader[0]);
        is_saved.then_some(stack)
    }

    /// What moves, if anything does.
    fn planned(&self, stacks: &LoneStacks) -> Option<Relocation> {
        let n_arguments = self.read.body.n_arguments();
        let is_inner = |number: usize| number >= n_arguments && self.depends[number];
        let is_freed: Vec<bool> = (0..n_arguments)
            .map(|argument| {
                self.stack(argument, stacks).is_some()
                    && !self.is_wanted[argument]
                    && self.users[argument].iter().all(|user| is_inner(*user))
            })
            .collect();
        let mut groups = DisjointSets::new(self.read.body.len());
        for number in (n_arguments..self.read.body.len()).filter(|number| is_inner(*number)) {
            for operand in self.read.body.nodes()[number].operands.iter().map(|operand| operand.index()) {
                if is_inner(operand) || (operand < n_arguments && is_freed[operand]) {
                    groups.join(operand, number);
                }
            }
        }
        let mut balances: BTreeMap<usize, Balance> = BTreeMap::new();
        for argument in (0..n_arguments).filter(|argument| is_freed[*argument]) {
            balances.entry(groups.root(argument)).or_default().freed.push(argument);
        }
        for number in (n_arguments..self.read.body.len()).filter(|number| is_inner(*number)) {
            let balance = balances.entry(groups.root(number)).or_default();
            balance.has_dear |= is_dear(&self.read.body.nodes()[number].node.op);
            if self.is_wanted[number] || self.users[number].iter().any(|user| !is_inner(*user)) {
                balance.read.push(number);
            }
        }
        let gains: Vec<Balance> = balances.into_values().filter(|balance| balance.is_gain(&self.read.body)).collect();
        let is_kept = |argument: &usize| {
            let stack = self.graph.operands(self.reader[0])[*argument];
            matches!(self.graph.node(stack).op.scan_output(), ScanOutput::Stacked(_))
        };
        // What a user stacks is kept whole, and so is what takes its place.
        let is_kept = gains.iter().flat_map(|balance| &balance.freed).any(is_kept);
        let read: Vec<usize> = gains.into_iter().flat_map(|balance| balance.read).collect();
        (!read.is_empty())
            .then(|| self.moving(&read, if is_kept { ScanOutput::Stacked(0) } else { ScanOutput::Saved(0) }))
    }

    /// Both loops, with these nodes of the reader as slices that the saver stacks, as outputs of this kind.
    fn moving(&self, read: &[usize], kind: ScanOutput) -> Relocation {
        let workshop = self.save.body.thaw();
        let mut image: Vec<Option<NodeId>> = self.twins.iter().map(|twin| twin.map(NodeId::new)).collect();
        image.resize(self.read.body.len(), None);
        let mut is_asked = vec![false; self.read.body.len()];
        read.iter().for_each(|number| is_asked[*number] = true);
        for (number, node) in self.read.body.nodes().iter().enumerate().rev() {
            if is_asked[number] {
                node.operands.iter().for_each(|operand| is_asked[operand.index()] = true);
            }
        }
        for (number, node) in self.read.body.nodes().iter().enumerate().skip(self.read.body.n_arguments()) {
            if is_asked[number] {
                let place =
                    |operand: &NodeId| image[operand.index()].expect("invariant: what is portable is made of such");
                let operands: Operands = node.operands.iter().map(place).collect();
                image[number] = Some(workshop.insert_copy(&node.node, &operands));
            }
        }
        let saved: Vec<NodeId> =
            read.iter().map(|number| image[*number].expect("invariant: it was just made")).collect();
        let outputs = self.saver.iter().map(|id| self.graph.node(*id).op.scan_output());
        let stacked: Vec<usize> = outputs.filter_map(ScanOutput::stacked_node).collect();
        let numbers = |numbers: std::ops::Range<usize>| numbers.map(NodeId::new);
        let results =
            |body: &Body| -> Vec<NodeId> { body.results().iter().map(|number| NodeId::new(*number)).collect() };
        let observed: Vec<NodeId> =
            stacked.iter().map(|number| NodeId::new(*number)).chain(saved.iter().copied()).collect();
        let arguments: Vec<NodeId> = numbers(0..self.save.body.n_arguments()).collect();
        let (save, saver_numbers) = Body::freeze_with(&workshop, &arguments, &results(&self.save.body), &observed);
        let end = self.read.carries + self.read.slices;
        let arguments: Vec<NodeId> = (numbers(0..end))
            .chain(read.iter().map(|number| NodeId::new(*number)))
            .chain(numbers(end..self.read.body.n_arguments()))
            .collect();
        let observed: Vec<NodeId> = self.stacked.values().map(|number| NodeId::new(*number)).collect();
        let (body, numbering) =
            Body::freeze_with(&self.read.body.thaw(), &arguments, &results(&self.read.body), &observed);
        let number = |(old, between): (&usize, &usize)| (*old, numbering.number(NodeId::new(*between)));
        Relocation {
            saver: self.saver[0],
            reader: self.reader[0],
            save,
            read: body,
            saved: saved.iter().map(|id| kind.with_node(saver_numbers.number(*id))).collect(),
            saver_numbers: stacked.iter().map(|old| (*old, saver_numbers.number(NodeId::new(*old)))).collect(),
            reader_numbers: self.stacked.iter().map(number).collect(),
            stacks: OnceCell::new(),
        }
    }
}

/// What a group of nodes that move together is worth.
#[derive(Default)]
struct Balance {
    /// The arguments whose stacks go away.
    freed: Vec<usize>,
    /// The nodes that others read.
    read: Vec<usize>,
    has_dear: bool,
}

impl Balance {
    /// No more memory, and either less of it or less to compute.
    fn is_gain(&self, body: &Body) -> bool {
        let bytes = |numbers: &[usize]| -> Dim { numbers.iter().map(|number| bytes(body.ty(*number))).sum() };
        let saved = bytes(&self.freed) - bytes(&self.read);
        saved.is_never_negative() && (self.has_dear || !saved.is(0))
    }
}

fn bytes(ty: &Type) -> Dim {
    ty.shape.size() * ty.dtype.size()
}

/// What may be computed elsewhere: functions of elements, views and constants.
pub(super) fn is_portable_op(op: &Op) -> bool {
    let traits = ops::traits(op);
    traits.is_elementwise || traits.is_movement || matches!(op, Op::Constant(_))
}

/// Whether a function takes much longer than to read its value.
fn is_dear(op: &Op) -> bool {
    const DEAR: usize = 4;
    match op {
        Op::Unary(function) => function.cost() >= DEAR,
        Op::Binary(function) => function.cost() >= DEAR,
        _ => false,
    }
}

/// Numbers in groups, each a tree under one of them.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(length: usize) -> DisjointSets {
        DisjointSets((0..length).collect())
    }

    fn root(&mut self, mut number: usize) -> usize {
        while self.0[number] != number {
            self.0[number] = self.0[self.0[number]];
            number = self.0[number];
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one] = other;
    }
}

/// Two loops, of which the first computes and stacks what the second computed.
struct Relocation {
    saver: NodeId,
    reader: NodeId,
    save: Body,
    read: Body,
    /// What is read of the saver.
    saved: Vec<ScanOutput>,
    /// What each stacks, by the numbers in its old body.
    saver_numbers: BTreeMap<usize, usize>,
    reader_numbers: BTreeMap<usize, usize>,
    /// What is read of the saver in the new graph, once the first output of the reader is made.
    stacks: OnceCell<Vec<NodeId>>,
}

impl Relocation {
    /// An output of the saver, with its new body.
    fn saving(&self, op: &Op) -> Op {
        let Op::Scan(scan) = op else { unreachable!("invariant: loops of a known length are moved") };
        let output = renumbered(scan.output, &self.saver_numbers);
        Op::Scan(Scan { body: self.save.clone(), output, ..scan.clone() })
    }

    /// What the saver stacks for the reader.
    fn write_stacks(&self, graph: &Graph, new: &Graph, image: &dyn Fn(NodeId) -> NodeId) -> Vec<NodeId> {
        let Op::Scan(save) = self.saving(&graph.node(self.saver).op) else {
            unreachable!("invariant: it is a loop as before")
        };
        let given = images(graph, self.saver, image);
        let stack = |output: &ScanOutput| {
            let op = Scan { output: *output, ..save.clone() };
            let number = output.stacked_node().expect("invariant: what is saved is stacked");
            let ty = op.stacked(self.save.ty(number));
            new.insert(Op::Scan(op), ty, &given)
        };
        self.saved.iter().map(stack).collect()
    }

    /// An output of the reader, which also reads what the saver stacks for it.
    fn write_reader(&self, graph: &Graph, new: &Graph, node: &Node, image: &dyn Fn(NodeId) -> NodeId) -> NodeId {
        let Op::Scan(scan) = &node.op else { unreachable!("invariant: loops of a known length are moved") };
        let end = scan.carries + scan.slices;
        let mut operands = images(graph, self.reader, image);
        let stacks = self.stacks.get_or_init(|| self.write_stacks(graph, new, image));
        operands.splice(end..end, stacks.iter().copied());
        let slices = scan.slices + self.saved.len();
        let output = renumbered(scan.output, &self.reader_numbers);
        let op = Scan { body: self.read.clone(), slices, output, ..scan.clone() };
        new.insert(Op::Scan(op), node.ty.clone(), &operands)
    }
}

fn renumbered(output: ScanOutput, numbers: &BTreeMap<usize, usize>) -> ScanOutput {
    output.stacked_node().map_or(output, |number| output.with_node(numbers[&number]))
}
