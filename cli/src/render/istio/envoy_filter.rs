//! Writes the EnvoyFilter, which has all that the other forms of Istio's do not.

use super::super::mesh;
use super::super::places::Place;
use super::super::sheet::{Sheet, scalar};
use super::{Module, Options, Position, Resources};

impl Resources<'_> {
    pub(super) fn envoy_filter(&self, sheet: &mut Sheet) -> String {
        let Options { at: position, namespace, image, module, .. } = self.options;
        let fails_over = self.options.fails_over();
        let code = match module {
            Module::Fetch => mesh::remote(sheet, image),
            Module::Mount => mesh::local(sheet),
        };
        let (context, labels) = self.where_patched();
        let listener = match position {
            Position::Gateway => "",
            Position::Sidecar => "portNumber: 8788, ",
        };
        let route_match = match position {
            Position::Gateway => format!("context: {context}"),
            Position::Sidecar => format!(
                "context: {context}\nrouteConfiguration: {{portNumber: 8788, vhost: {{name: {}}}}}",
                scalar(&format!("farebox.{namespace}.svc.cluster.local:8788"))
            ),
        };
        let at = |rest: &str| {
            let manager = "envoy.filters.network.http_connection_manager";
            format!("{{{listener}filterChain: {{filter: {{name: {manager}{rest}}}}}}}")
        };
        let at_router = at(", subFilter: {name: envoy.filters.http.router}");
        let place = [("context", context), ("at_router", &at_router)];
        let gateway = mesh::gateway(sheet, self.plan, &code);
        let discovery = mesh::discovery(sheet, &format!("{namespace}.farebox"));
        let attempts = if fails_over { self.attempts(sheet, &place, &code) } else { String::new() };
        let mut clusters = Vec::with_capacity(self.places.len());
        for Place { name, port, host, .. } in self.places {
            clusters.push((*name, format!("outbound|{port}||{host}")));
        }
        let manager = mesh::manager(sheet, self.plan, fails_over);
        let version = self.options.version;
        let action = mesh::action(sheet, self.plan, &clusters, version, fails_over);
        let route = mesh::route(sheet, version, &action);
        let values = [
            ("labels", labels),
            ("at_manager", &at("")),
            ("gateway", &gateway),
            ("attempts", &attempts),
            ("gateway_discovery", &discovery),
            ("manager", &manager),
            ("route_match", &route_match),
            ("route", &route),
        ];
        self.put(sheet, include_str!("envoy_filter.yaml"), &[&place[..], &values].concat())
    }

    /// The patches for the filter behind the router; `code` is as it was put down for the one before.
    fn attempts(&self, sheet: &mut Sheet, place: &[(&str, &str)], code: &str) -> String {
        let explained = |line: &&str| !line.trim_start().starts_with('#');
        let code = code.lines().filter(explained).collect::<Vec<_>>().join("\n");
        let attempt = mesh::attempt(sheet, self.plan, &code);
        let name = format!("{}.farebox-attempt", self.options.namespace);
        let discovery = mesh::discovery(sheet, &name);
        let router = mesh::router(sheet, &discovery);
        let values = [("attempt", &*attempt), ("router", &router)];
        self.put(sheet, include_str!("attempts.yaml"), &[place, &values].concat())
    }
}
