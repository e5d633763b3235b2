//! What of a graph is shown. In: a graph and results. Out: a part for every node but those that only repeat values or give
//! numbers, and links between parts.

use crate::{
    graph::{Body, DType, DerivativeMode, Expr, Graph, Literal, Node, NodeId, Op, Site, Type},
    numbers::digits,
};

/// What a box is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Input,
    Parameter,
    State,
    Constant,
    Operation,
    Result,
    /// Of several.
    Folded,
}

/// What the user called, and where.
pub(super) type Call = (&'static str, Site);

/// A node, or the name of a result.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The groups around it, from the outermost.
    pub(super) groups: Vec<String>,
    pub(super) kind: Kind,
    pub(super) title: String,
    /// Below the title: its type, or how it is configured.
    pub(super) detail: String,
    /// The call that made it, if other parts of that call may join it.
    pub(super) call: Option<Call>,
    /// Where the user wrote it.
    pub(super) site: Site,
    /// The node in full.
    pub(super) tip: String,
}

/// An arrow between two parts, by their positions, with the type of what is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) ty: String,
}

/// All that may be drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    pub(super) links: Vec<Link>,
    bodies: Vec<Body>,
}

/// No more letters of attributes are shown.
const MAX_DETAIL: usize = 30;
/// How many digits of a number are shown.
const N_DIGITS: usize = 4;

impl Parts {
    pub(super) fn new(graph: &Graph, results: &[(String, Expr<'_>)]) -> Parts {
        let mut parts = Parts::default();
        let local = |expr: &Expr<'_>| std::ptr::eq(expr.graph(), graph);
        let results: Vec<(String, NodeId)> =
            results.iter().filter(|(_, expr)| local(expr)).map(|(name, expr)| (name.clone(), expr.id())).collect();
        let ids: Vec<NodeId> = results.iter().map(|(_, id)| *id).collect();
        let next = graph.updates_beside(&ids).into_iter().map(|(state, value)| {
            let name = graph.node(state).op.leaf_name().map_or(String::new(), |name| format!("next {}", name.0));
            (name, value)
        });
        let wanted: Vec<(String, NodeId)> = results.iter().cloned().chain(next).collect();
        parts.add_graph(graph, &wanted, &[]);
        parts
    }

    /// How many groups there are around the deepest part.
    pub(super) fn depth(&self) -> usize {
        self.parts.iter().map(|part| part.groups.len()).max().unwrap_or(0)
    }

    /// The parts of a graph, within these groups.
    fn add_graph(&mut self, graph: &Graph, wanted: &[(String, NodeId)], around: &[String]) {
        let ids: Vec<NodeId> = wanted.iter().map(|(_, id)| *id).collect();
        let needed = graph.needed(&ids);
        let mut part_of = vec![None; graph.len()];
        for id in needed {
            let node = graph.node(id);
            if is_hidden(&node.op) {
                continue;
            }
            let operands = Operands::new(graph, id);
            let part = part(&node, &operands, around, id);
            let groups = part.groups.clone();
            part_of[id.index()] = Some(self.parts.len());
            self.parts.push(part);
            self.link(graph, &operands.shown, &part_of);
            node.op.bodies().into_iter().for_each(|body| self.add_body(body, &node, &groups));
        }
        for (name, id) in wanted {
            let (source, _) = shown_source(graph, *id);
            let (ty, site) = (graph.node(*id).ty.clone(), graph.node(*id).provenance.site);
            let detail = short_type(&ty);
            let tip = format!("{name}: {ty}");
            let groups = around.to_vec();
            self.parts.push(Part { groups, kind: Kind::Result, title: name.clone(), detail, call: None, site, tip });
            match part_of[source.index()] {
                Some(_) => self.link(graph, &[source], &part_of),
                // A result that is a number.
                None => {
                    self.parts.last_mut().expect("invariant: a part was added").title =
                        format!("{name} = {}", number(graph, source))
                }
            }
        }
    }

    /// Arrows to the last part.
    fn link(&mut self, graph: &Graph, sources: &[NodeId], part_of: &[Option<usize>]) {
        let to = self.parts.len() - 1;
        for source in sources {
            let from = part_of[source.index()].expect("invariant: operands come before their users");
            let link = Link { from, to, ty: short_type(&graph.node(*source).ty) };
            // x · x has one arrow.
            if self.links.last() != Some(&link) {
                self.links.push(link);
            }
        }
    }

    /// A body, unless it is there already: a group of its own, since its arguments are given anew at each iteration.
    fn add_body(&mut self, body: &Body, node: &Node, around: &[String]) {
        if self.bodies.contains(body) {
            return;
        }
        self.bodies.push(body.clone());
        let title = format!("{} at {}", node.op.name(), place(node.provenance.site));
        let groups: Vec<String> = around.iter().cloned().chain([title]).collect();
        let graph = body.thaw();
        let names = (0..).map(|position| format!("out {position}"));
        let results: Vec<(String, NodeId)> =
            names.zip(body.results().iter().map(|number| NodeId::new(*number))).collect();
        self.add_graph(&graph, &results, &groups);
    }
}

/// Whether a node is shown where it is read only: a number, or a value that is repeated.
fn is_hidden(op: &Op) -> bool {
    match op {
        Op::Constant(constant) => !matches!(constant.value, Literal::Array(_)),
        Op::Broadcast(_) => true,
        _ => false,
    }
}

/// The node whose value is shown in place of one that is hidden.
fn shown_source(graph: &Graph, id: NodeId) -> (NodeId, Op) {
    let mut source = id;
    loop {
        let op = graph.node(source).op.clone();
        match op {
            Op::Broadcast(_) => source = graph.operands(source)[0],
            op => return (source, op),
        }
    }
}

fn number(graph: &Graph, id: NodeId) -> String {
    match &graph.node(id).op {
        Op::Constant(constant) => match &constant.value {
            Literal::Number(number) if constant.dtype == DType::Bool => (*number != 0.0).to_string(),
            Literal::Number(number) => digits(*number, N_DIGITS).to_string(),
            Literal::Integer(number) => number.to_string(),
            Literal::Array(_) => "…".to_owned(),
        },
        _ => "·".to_owned(),
    }
}

/// What a node reads.
struct Operands {
    /// Those that are parts.
    shown: Vec<NodeId>,
    /// All, as text, if a number is among them.
    text: Option<String>,
}

impl Operands {
    fn new(graph: &Graph, id: NodeId) -> Operands {
        let sources: Vec<(NodeId, Op)> =
            graph.operands(id).iter().map(|operand| shown_source(graph, *operand)).collect();
        let shown: Vec<NodeId> = sources.iter().filter(|(_, op)| !is_hidden(op)).map(|(id, _)| *id).collect();
        let has_numbers = shown.len() < sources.len();
        let text = || sources.iter().map(|(id, _)| number(graph, *id)).collect::<Vec<_>>().join(", ");
        Operands { text: has_numbers.then(text), shown }
    }
}

fn part(node: &Node, operands: &Operands, around: &[String], id: NodeId) -> Part {
    let provenance = &node.provenance;
    let attributes = node.op.attributes_text(node.ty.dtype);
    let ty = &node.ty;
    let scope = provenance.scope.as_deref().unwrap_or_default();
    let line_of_scope = if scope.is_empty() { String::new() } else { format!("\n{scope}") };
    let (name, site) = (node.op.name(), provenance.site);
    let tip = format!("%{}: {ty} = {name}{attributes}{line_of_scope}\n{site}", id.index());
    let kind = match &node.op {
        Op::Input(_) | Op::Argument(_) => Kind::Input,
        Op::Parameter(_) => Kind::Parameter,
        Op::State(_) => Kind::State,
        Op::Constant(_) => Kind::Constant,
        _ => Kind::Operation,
    };
    let leaf_name = node.op.leaf_name();
    let (scope, title, detail, call) = match leaf_name {
        Some(path) => {
            let (scope, last) = path.0.rsplit_once('.').unwrap_or(("", &path.0));
            (scope, last.to_owned(), ty.to_string(), None)
        }
        None => {
            let title = match (&node.op, &operands.text) {
                (Op::Argument(argument), _) => format!("argument {}", argument.index),
                (_, Some(text)) => format!("{name}({text})"),
                (_, None) => name.to_owned(),
            };
            let call = (kind == Kind::Operation).then_some((provenance.call, provenance.site));
            let detail = if let Op::Argument(_) = node.op { ty.to_string() } else { shown_attributes(&attributes) };
            (scope, title, detail, call)
        }
    };
    let derivative = provenance.derivative.filter(|_| leaf_name.is_none()).map(DerivativeMode::name);
    Part { groups: groups(around, derivative, scope), kind, title, detail, call, site: provenance.site, tip }
}

/// The groups of a part: those around it, then its derivative and its scope, as far as they are not among these. A body lies in the
/// groups of the operation that has it, and its nodes have the whole path of their scope.
fn groups(around: &[String], derivative: Option<&str>, scope: &str) -> Vec<String> {
    let derivative = derivative.filter(|mode| !around.iter().any(|group| group == mode));
    let mut outer = around.iter();
    let scopes = scope.split('.').filter(|word| !word.is_empty()).skip_while(|word| outer.any(|group| group == word));
    around.iter().map(String::as_str).chain(derivative).chain(scopes).map(str::to_owned).collect()
}

/// The first attributes, as many as there is room for; empty lists say nothing.
fn shown_attributes(attributes: &str) -> String {
    let mut fields: Vec<String> = Vec::new();
    for field in attributes.trim().split(' ') {
        match fields.last_mut() {
            // A list with spaces is one field.
            Some(last) if !field.contains('=') => *last = format!("{last} {field}"),
            _ => fields.push(field.to_owned()),
        }
    }
    let mut text = String::new();
    for field in fields.iter().filter(|field| !field.ends_with("=[]")) {
        let separator = if text.is_empty() { "" } else { " " };
        if text.chars().count() + separator.len() + field.chars().count() > MAX_DETAIL {
            break;
        }
        text.push_str(separator);
        text.push_str(field);
    }
    text
}

/// The shape, with the dtype if it is another than f32.
fn short_type(ty: &Type) -> String {
    let text = ty.to_string();
    text.strip_prefix("f32").map_or(text.clone(), str::to_owned)
}

/// A place without the folders.
pub(super) fn place(site: Site) -> String {
    let file = site.file.rsplit(['/', '\\']).next().unwrap_or(site.file);
    format!("{file}:{}", site.line)
}
