//! Queries as trees: what they select, over which range, for which function.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use promql_parser::label::MatchOp;
use promql_parser::parser::token::{T_COUNT, T_GROUP, T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{Expr, ParenExpr, VectorSelector};
use vitals::exposition::Kind;

/// A query as a tree.
pub fn parse(query: &str) -> Result<Expr, String> {
    promql_parser::parser::parse(query)
}

/// A series that a query asks for.
pub struct Selector<'e> {
    /// Its name and matchers.
    pub vector: &'e VectorSelector,
    /// The range in brackets behind it, also that of a subquery which has nothing but this inside.
    pub range: Option<Duration>,
    /// The function whose argument it is. What looks only at whether there is such a series is `count` (also for
    /// `group`) or `and` (also for `unless`).
    pub function: Option<&'static str>,
}

impl Selector<'_> {
    /// The names it can match: more than one if they are given as `__name__=~"a|b"`.
    pub fn names(&self) -> Vec<String> {
        if let Some(name) = &self.vector.name {
            return vec![name.clone()];
        }
        let matchers = self.vector.matchers.find_matchers("__name__");
        let [matcher] = matchers.as_slice() else { panic!("{}: needs one name", self.vector) };
        match matcher.op {
            MatchOp::Equal => vec![matcher.value.clone()],
            MatchOp::Re(_) => {
                let names: Vec<String> = matcher.value.split('|').map(str::to_owned).collect();
                let plain =
                    |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                assert!(names.iter().all(plain), "{}: only a list of names can be checked", self.vector);
                names
            }
            _ => panic!("{}: takes all names but some", self.vector),
        }
    }

    /// Whether it has this matcher; the sign is that of the language.
    pub fn matches(&self, label: &str, sign: &str, value: &str) -> bool {
        let found = self.vector.matchers.find_matchers(label);
        found.iter().any(|matcher| matcher.op.to_string() == sign && matcher.value == value)
    }
}

/// All that a query selects.
pub fn selectors(expr: &Expr) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    collect(expr, None, None, &mut found);
    found
}

fn collect<'e>(
    expr: &'e Expr,
    function: Option<&'static str>,
    range: Option<Duration>,
    found: &mut Vec<Selector<'e>>,
) {
    match expr {
        Expr::VectorSelector(vector) => found.push(Selector { vector, range, function }),
        Expr::MatrixSelector(matrix) => {
            found.push(Selector { vector: &matrix.vs, range: Some(matrix.range), function });
        }
        Expr::Subquery(subquery) => collect(&subquery.expr, function, Some(subquery.range), found),
        Expr::Paren(paren) => collect(&paren.expr, function, range, found),
        Expr::Call(call) => {
            call.args.args.iter().for_each(|argument| collect(argument, Some(call.func.name), None, found));
        }
        Expr::Aggregate(aggregate) if [T_COUNT, T_GROUP].contains(&aggregate.op.id()) => {
            collect(&aggregate.expr, Some("count"), None, found);
        }
        Expr::Binary(binary) if [T_LAND, T_LUNLESS].contains(&binary.op.id()) => {
            collect(&binary.lhs, None, None, found);
            collect(&binary.rhs, Some("and"), None, found);
        }
        Expr::Binary(binary) if binary.op.id() == T_LOR && matches!(function, Some("count" | "and")) => {
            [&binary.lhs, &binary.rhs].into_iter().for_each(|side| collect(side, function, None, found));
        }
        other => children(other).into_iter().for_each(|child| collect(child, None, None, found)),
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            aggregate.param.as_deref().into_iter().chain([aggregate.expr.as_ref()]).collect()
        }
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(AsRef::as_ref).collect(),
        Expr::Extension(extension) => extension.expr.children().iter().collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_) => Vec::new(),
    }
}

/// Calls `visit` with the query and all its parts.
pub fn each(expr: &Expr, visit: &mut impl FnMut(&Expr)) {
    visit(expr);
    children(expr).into_iter().for_each(|child| each(child, visit));
}

/// Whether any part of a query is as `is` says.
pub fn any(expr: &Expr, is: impl Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    each(expr, &mut |part| found |= is(part));
    found
}

/// The names of the series that a query asks for.
pub fn metrics(expr: &Expr) -> BTreeSet<String> {
    selectors(expr).iter().flat_map(Selector::names).collect()
}

/// What a rule watches, whatever its value: the query without the comparisons that decide whether it fires and
/// without what `unless` takes away. Comparisons inside of arithmetic stay, as they guard it.
pub fn without_thresholds(expr: &Expr) -> Expr {
    match expr {
        Expr::Paren(paren) => without_thresholds(&paren.expr),
        Expr::Binary(binary) if binary.op.is_comparison_operator() && !binary.return_bool() => {
            let scalar_first = matches!(*binary.lhs, Expr::NumberLiteral(_));
            without_thresholds(if scalar_first { &binary.rhs } else { &binary.lhs })
        }
        Expr::Binary(binary) if binary.op.id() == T_LUNLESS => without_thresholds(&binary.lhs),
        Expr::Binary(binary) if binary.op.is_set_operator() => {
            let mut watched = binary.clone();
            watched.lhs = Box::new(in_parentheses(without_thresholds(&binary.lhs)));
            watched.rhs = Box::new(in_parentheses(without_thresholds(&binary.rhs)));
            Expr::Binary(watched)
        }
        other => other.clone(),
    }
}

/// Written out, what is left may bind less than the comparison did.
fn in_parentheses(expr: Expr) -> Expr {
    Expr::Paren(ParenExpr { expr: Box::new(expr) })
}

/// Functions that take each fall for a restart from zero.
pub const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];

/// Functions for which a counter's restart is a fall like any other.
const OF_GAUGES: [&str; 5] = ["delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing"];

/// What makes a query wrong whatever the data is: functions that do not fit the kind of what they are given.
pub fn misuses(expr: &Expr, kinds: &BTreeMap<String, Kind>) -> Vec<String> {
    let mut problems = Vec::new();
    for selector in selectors(expr) {
        let Some(function) = selector.function else { continue };
        for name in selector.names() {
            let wrong = match kinds.get(&name) {
                Some(Kind::Gauge | Kind::Info | Kind::StateSet) => OF_COUNTERS.contains(&function),
                Some(Kind::Counter | Kind::Histogram) => OF_GAUGES.contains(&function),
                _ => false,
            };
            if wrong {
                problems.push(format!("{function} of {name}, which is a {:?}", kinds[&name]));
            }
        }
    }
    // A sum falls when one of its parts starts again or goes away, which is then taken for a restart of all.
    let of_sum = |call: &promql_parser::parser::Call| {
        let inside = call.args.args.iter().any(|argument| match argument.as_ref() {
            Expr::Subquery(subquery) => any(&subquery.expr, |part| matches!(part, Expr::Aggregate(_))),
            _ => false,
        });
        OF_COUNTERS.contains(&call.func.name) && inside
    };
    if any(expr, |part| matches!(part, Expr::Call(call) if of_sum(call))) {
        problems.push("a rate of an aggregate: aggregate the rates".to_owned());
    }
    problems
}
