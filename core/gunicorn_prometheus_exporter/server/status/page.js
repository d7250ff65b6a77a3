"use strict";
(() => {
  const POLL = 2000;                 // Milliseconds between an answer and the next question.
  const PATIENCE = 10000;            // ... until an answer is given up.
  const WINDOW = 60000;              // ... that rates, percentiles and shares are about.
  const SPACING = 3000;              // ... between two snapshots that are kept for that.
  const HISTORY = 300000;            // ... that a sparkline shows, and that an event is told.
  const MOST_POINTS = 160;
  const MOST_EVENTS = 50;
  const MOST_BYTES = 64 * 1024 * 1024;
  const MOST_ENDPOINTS = 2000;       // Kept in memory, the busiest.
  const MOST_ROWS = 50;              // Shown of any table.
  const LONGEST = 200;               // Characters of a name.
  const HTTP = "gunicorn_http_", WORKER = "gunicorn_worker_", EXPORTER = "gunicorn_exporter_";
  const NAMES = [
    "gunicorn_info", "gunicorn_workers", "gunicorn_workers_configured", "gunicorn_workers_spawned_total",
    "gunicorn_listener_backlog", "gunicorn_listener_backlog_limit", "gunicorn_master_reloads_total",
    "gunicorn_master_start_time_seconds", "gunicorn_websocket_open",
    ...["requests_total", "request_duration_seconds", "request_size_bytes_sum", "response_size_bytes_sum",
      "exceptions_total", "aborted_responses_total", "parse_errors_total"].map((name) => HTTP + name),
    ...["requests_in_progress", "busy_seconds_total", "threads", "threads_busy", "pool_queue_length", "pool_wait_seconds",
      "connections", "connections_limit", "exits_total", "timeouts_total", "cpu_seconds_total", "memory_bytes",
      "memory_pss_bytes", "start_time_seconds"].map((name) => WORKER + name),
    ...["errors_total", "redis_up", "dropped_series_total", "unreadable_segments"].map((name) => EXPORTER + name),
  ];
  // With `naming: otel` the same is called so.
  const CONVENTIONS = {
    http_server_request_duration_seconds_bucket: HTTP + "request_duration_seconds_bucket",
    http_server_request_body_size_bytes_sum: HTTP + "request_size_bytes_sum",
    http_server_response_body_size_bytes_sum: HTTP + "response_size_bytes_sum",
  };
  NAMES.push(...Object.keys(CONVENTIONS));
  const SOURCE = "metrics?" + NAMES.map((name) => `name[]=${name}`).join("&");
  const CRASHES = ["crash", "signal", "boot_error", "app_load_error", "unknown", "sigkill", "timeout"];

  // ---------------------------------------------------------------- reading

  const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/s;
  const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/gs;
  const unescaped = (text) => text.includes("\\") ? text.replace(/\\(.)/gs, (_, c) => (c === "n" ? "\n" : c)) : text;
  const numeric = (text) => text === "+Inf" ? Infinity : Number(text);

  // Calls `take(name, labels, value)` for each sample of a page in Prometheus' text format.
  function parse(text, take) {
    for (const line of text.split("\n")) {
      if (!line || line[0] === "#") continue;
      const found = SAMPLE.exec(line);
      if (!found) continue;
      const labels = Object.create(null);
      if (found[2]) for (const [, name, value] of found[2].matchAll(LABEL)) labels[name] = unescaped(value);
      take(found[1], labels, numeric(found[3]));
    }
  }

  const conventional = ({ http_request_method: method, http_route: route, otel_metric_overflow: over, le }) =>
    ({ method, endpoint: route ?? (over ? "__other__" : "__unrouted__"), le });

  const add = (map, key, value) => map.set(key, (map.get(key) ?? 0) + value);
  const sum = (map) => { let total = 0; for (const value of map?.values() ?? []) total += value; return total; };

  class Histogram {
    constructor() { this.buckets = new Map(); }
    add(bound, value) { add(this.buckets, bound, value); }
    minus(other) {
      const rest = new Histogram();
      for (const [bound, value] of this.buckets) rest.buckets.set(bound, grown(value, other?.buckets.get(bound)));
      return rest;
    }
    // As Prometheus' histogram_quantile; null of nothing, Infinity above the last bound.
    quantile(share) {
      const bounds = [...this.buckets.keys()].sort((a, b) => a - b);
      const total = this.buckets.get(Infinity) ?? 0;
      if (!(total > 0)) return null;
      const rank = share * total;
      let below = 0, from = 0;
      for (const bound of bounds) {
        const upTo = this.buckets.get(bound);
        if (upTo >= rank) return bound === Infinity ? Infinity : from + (bound - from) * ((rank - below) / (upTo - below || 1));
        below = upTo;
        from = bound;
      }
      return null;
    }
  }

  // A counter that is less than it was has begun again.
  const grown = (now, before) => before === undefined || now < before ? now : now - before;
  const COUNTS = ["requests", "refused", "failed", "received", "sent"];

  class Traffic {
    constructor() {
      for (const name of COUNTS) this[name] = 0;
      this.duration = new Histogram();
    }
    minus(other) {
      const rest = new Traffic();
      for (const name of COUNTS) rest[name] = grown(this[name], other?.[name]);
      rest.duration = this.duration.minus(other?.duration);
      return rest;
    }
  }

  // Everything the page needs of one scrape, added up over whatever other labels there are.
  class Snapshot {
    constructor(at) {
      this.at = at;
      this.families = new Map();
      this.endpoints = new Map();
      this.failures = new Map();
      this.all = new Traffic();
      this.poolWait = new Histogram();
      this.info = [];
      this.left = 0;
    }

    static of(text, at) {
      const snapshot = new Snapshot(at);
      // Where both are, the others are an application's.
      const isOurs = text.includes(`\n${HTTP}request_duration_seconds_bucket`);
      parse(text, (name, labels, value) => {
        const called = CONVENTIONS[name];
        if (!called) snapshot.take(name, labels, value);
        else if (!isOurs) snapshot.take(called, conventional(labels), value);
      });
      snapshot.prune();
      return snapshot;
    }

    take(name, labels, value) {
      switch (name) {
        case HTTP + "requests_total": {
          const kind = labels.status?.[0] === "5" ? "failed" : labels.status?.[0] === "4" ? "refused" : "";
          for (const traffic of this.traffic(labels)) {
            traffic.requests += value;
            if (kind) traffic[kind] += value;
          }
          return;
        }
        case HTTP + "request_duration_seconds_bucket":
          for (const traffic of this.traffic(labels)) traffic.duration.add(numeric(labels.le), value);
          return;
        case HTTP + "request_size_bytes_sum":
          for (const traffic of this.traffic(labels)) traffic.received += value;
          return;
        case HTTP + "response_size_bytes_sum":
          for (const traffic of this.traffic(labels)) traffic.sent += value;
          return;
        case WORKER + "pool_wait_seconds_bucket":
          this.poolWait.add(numeric(labels.le), value);
          return;
        case HTTP + "exceptions_total":
          return this.failure((labels.error_type ?? "") + (labels.handled === "true" ? " (handled)" : ""), labels, value);
        case HTTP + "aborted_responses_total": return this.failure("Response cut short", labels, value);
        case HTTP + "parse_errors_total": return this.failure("Malformed request", { endpoint: labels.reason }, value);
        case WORKER + "timeouts_total": return this.failure("Worker timeout", labels, value);
        case "gunicorn_info": this.info.push(labels); return;
      }
      const key = labels.state ?? labels.reason ?? labels.listener ?? labels.component ?? labels.worker_id ?? "";
      this.add(name, labels.instance_id && labels.worker_id ? `${labels.instance_id} ${key}` : key, value);
    }

    // A label may be missing: a fleet has exporters of several versions.
    traffic({ method = "", endpoint = "" }) {
      const key = `${method} ${endpoint}`;
      let traffic = this.endpoints.get(key);
      if (!traffic) {
        traffic = Object.assign(new Traffic(), { method, endpoint });
        this.endpoints.set(key, traffic);
      }
      return [traffic, this.all];
    }

    failure(what, labels, value) {
      add(this.failures, JSON.stringify([what, labels.method ?? "", labels.endpoint ?? ""]), value);
    }

    add(name, key, value) {
      if (!this.families.has(name)) this.families.set(name, new Map());
      add(this.families.get(name), key, value);
    }

    // What is held for a minute is bounded, however many endpoints there are.
    prune() {
      const busiest = (map, count) => new Map([...map].sort((a, b) => count(b[1]) - count(a[1])).slice(0, MOST_ENDPOINTS));
      this.left = Math.max(0, this.endpoints.size - MOST_ENDPOINTS);
      if (this.left) this.endpoints = busiest(this.endpoints, (traffic) => traffic.requests);
      this.cutFailures = this.failures.size > MOST_ENDPOINTS;
      if (this.cutFailures) this.failures = busiest(this.failures, (count) => count);
    }

    has(name) { return this.families.has(name); }
    of(name) { return this.families.get(name) ?? new Map(); }
    total(name) { return sum(this.families.get(name)); }
  }

  // ---------------------------------------------------------------- writing numbers

  const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const NONE = "–";
  const count = (value) => grouped.format(value);
  const short = (value) => value >= 100 ? count(value) : String(Number(value.toFixed(value >= 10 ? 1 : 2)));
  function share(value) {
    if (value === null || !Number.isFinite(value)) return NONE;
    if (value > 0 && value < 0.001) return "<0.1 %";
    return `${Number((value * 100).toFixed(value < 0.1 ? 1 : 0))} %`;
  }
  function duration(seconds) {
    if (seconds === null || Number.isNaN(seconds)) return NONE;
    if (seconds === Infinity) return ">60 s";
    if (seconds < 1) return `${Number((seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0))} ms`;
    return `${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`;
  }
  function age(seconds) {
    if (!(seconds >= 0)) return NONE;
    if (seconds < 100) return `${Math.floor(seconds)} s`;
    if (seconds < 6000) return `${Math.floor(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
  }
  function bytes(value) {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return `${unit && value < 99.5 ? Number(value.toFixed(1)) : Math.round(value)} ${units[unit]}`;
  }
  const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
  const named = (text) => text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  const clock = (date) => date.toLocaleTimeString("en-GB");

  // ---------------------------------------------------------------- the document

  const $ = (id) => document.getElementById(id);
  // The only way in which text gets into the page: as text.
  function write(node, text) { if (node.textContent !== text) node.textContent = text; }
  function level(node, name) { if (name) node.dataset.level = name; else delete node.dataset.level; }
  function make(tag, { text, children = [], ...attributes } = {}) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    node.append(...children);
    return node;
  }
  // Rows are kept and rewritten, so that what somebody selected or reads stays where it is.
  function rows(body, items, create, update) {
    while (body.children.length > items.length) body.lastElementChild.remove();
    while (body.children.length < items.length) body.append(create());
    items.forEach((item, index) => update(body.children[index], item));
  }
  function bar(node, value) {
    node.firstElementChild.style.width = `${Math.min(100, Math.max(0, (value ?? 0) * 100))}%`;
    level(node, value > 0.95 ? "bad" : value > 0.8 ? "warn" : "");
  }
  const makeBar = () => make("span", { class: "bar", "aria-hidden": "true", children: [make("i")] });

  const SVG = "http://www.w3.org/2000/svg";
  class Tile {
    constructor(name) {
      this.value = make("p", { class: "value", text: NONE });
      this.note = make("p", { class: "quiet" });
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("viewBox", "0 0 100 40");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      this.paths = ["area", "line"].map((kind) => {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("class", kind);
        svg.append(path);
        return path;
      });
      this.node = make("li", { class: "tile", children: [make("h3", { text: name }), this.value, this.note, svg] });
      $("tiles").append(this.node);
      this.points = [];
    }

    show(text, note, severity = "") {
      const [, figure, unit = ""] = /^(\S+)(?: (.*))?$/.exec(text) ?? [];
      if (this.value.dataset.text !== text) {
        this.value.dataset.text = text;
        this.value.replaceChildren(figure, ...(unit ? [make("small", { text: unit })] : []));
      }
      write(this.note, note);
      level(this.node, severity);
    }

    push(at, value, least) {
      this.points.push([at, value]);
      while (this.points.length > MOST_POINTS || this.points[0]?.[0] < at - HISTORY) this.points.shift();
      const top = Math.max(least, ...this.points.map(([, each]) => each ?? 0)) * 1.1;
      const span = Math.max(WINDOW, at - this.points[0][0]);
      const runs = [];
      let run = null;
      for (const [when, each] of this.points) {
        if (each === null) { run = null; continue; }
        if (!run) runs.push(run = []);
        run.push([100 - (at - when) / span * 100, 39 - Math.min(each, top) / top * 37]);
      }
      const line = (points) => points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L");
      this.paths[0].setAttribute("d", runs.map((each) => `M${each[0][0].toFixed(2)} 40L${line(each)}L${each.at(-1)[0].toFixed(2)} 40Z`).join(""));
      this.paths[1].setAttribute("d", runs.map((each) => `M${line(each)}`).join(""));
    }

    get peak() { return Math.max(0, ...this.points.map(([, value]) => Number.isFinite(value) ? value : 0)); }
  }

  const tiles = {
    rate: new Tile("Requests"), errors: new Tile("Errors (5xx)"), latency: new Tile("Latency p95"),
    saturation: new Tile("Saturation"), waiting: new Tile("Waiting"), progress: new Tile("In progress"),
  };

  // ---------------------------------------------------------------- computing

  let snapshots = [];
  let events = [];
  let period = "minute";
  let sorting = { column: "requests", ascending: false };

  // The oldest snapshot of the last minute, to compare with.
  const earlier = (now) => snapshots.find((each) => each !== now && each.at >= now.at - WINDOW - SPACING);

  function remember(now) {
    // After a pause there is nothing to compare with.
    if (snapshots.length && now.at - snapshots.at(-1).at > WINDOW / 2) snapshots = [];
    const last = snapshots.at(-1), before = snapshots.at(-2);
    if (last && before && last.at - before.at < SPACING) snapshots.pop();
    snapshots.push(now);
    snapshots = snapshots.filter((each) => each.at >= now.at - WINDOW - SPACING);
    return last;
  }

  const rate = (name, now, base) => {
    let growth = 0;
    for (const [key, value] of now.of(name)) growth += grown(value, base.of(name).get(key));
    return growth / ((now.at - base.at) / 1000);
  };
  const alive = (now) => now.total("gunicorn_workers");
  const mean = (values) => values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;

  // From 0 to 1, or null: threads for gthread; for event loops connections or processor; else busy time.
  function saturation(now, base, between) {
    const workers = alive(now);
    if (now.total(WORKER + "threads") > 0) {
      return mean(between.map((each) => each.total(WORKER + "threads_busy") / (each.total(WORKER + "threads") || 1)));
    }
    if (!base || !workers) return null;
    if (now.has(WORKER + "connections")) {
      const limit = now.total(WORKER + "connections_limit");
      const open = limit ? now.total(WORKER + "connections") / limit : 0;
      return Math.max(open, rate(WORKER + "cpu_seconds_total", now, base) / workers);
    }
    return rate(WORKER + "busy_seconds_total", now, base) / workers;
  }

  // What happened since the last scrape and stays worth telling for a while.
  function notice(now, last) {
    if (!last) return;
    const tell = (text, severity = "warn") => {
      const same = events.find((event) => event.text === text);
      if (same) { same.at = now.at; same.times += 1; same.when = clock(new Date()); }
      else events.push({ text, severity, at: now.at, times: 1, when: clock(new Date()) });
    };
    for (const [key, value] of now.failures) {
      const [what, , where] = JSON.parse(key);
      if (what === "Worker timeout" && grown(value, last.failures.get(key)) > 0) tell(`A worker was killed for its timeout while serving ${named(where)}`);
    }
    for (const [reason, value] of now.of(WORKER + "exits_total")) {
      if (!CRASHES.includes(reason) || !(grown(value, last.of(WORKER + "exits_total").get(reason)) > 0)) continue;
      if (reason === "sigkill") tell("A worker was killed by somebody else than Gunicorn, perhaps for want of memory", "bad");
      else if (reason === "timeout") tell("A worker hung, and was killed for its timeout");
      else tell(`A worker ended unexpectedly: ${reason.replaceAll("_", " ")}`, "bad");
    }
    for (const [component, value] of now.of(EXPORTER + "errors_total")) {
      if (grown(value, last.of(EXPORTER + "errors_total").get(component)) > 0) tell(`The exporter fails in ${component}; requests do not notice`);
    }
    events = events.filter((event) => event.at >= now.at - HISTORY).slice(-MOST_EVENTS);
  }

  function problems(now, base, load) {
    const found = [];
    const say = (severity, text) => found.push({ severity, text });
    const serving = (now.of("gunicorn_workers").get("idle") ?? 0) + (now.of("gunicorn_workers").get("busy") ?? 0);
    const wanted = now.total("gunicorn_workers_configured");
    if (!now.has("gunicorn_workers_configured")) say("bad", "No Gunicorn master is alive");
    else if (!serving) say("bad", "No worker is serving");
    else if (serving < wanted) say("warn", `${plural(wanted - serving, "worker")} of ${count(wanted)} missing`);
    if (base) {
      const recent = now.all.minus(base.all);
      const failing = recent.requests ? recent.failed / recent.requests : 0;
      if (failing >= 0.01) {
        const worst = compared(now, base).reduce((a, b) => (b.failed > (a?.failed ?? 0) ? b : a), null);
        say(failing >= 0.05 ? "bad" : "warn", `${share(failing)} of requests fail, mostly ${worst ? `${worst.method} ${named(worst.endpoint)}` : NONE}`);
      }
      const wait = now.poolWait.minus(base.poolWait).quantile(0.95);
      if (wait > 0.5) say("warn", `One connection in twenty waits ${duration(wait)} or more for a thread`);
    }
    for (const [listener, limit] of now.of("gunicorn_listener_backlog_limit")) {
      const full = (now.of("gunicorn_listener_backlog").get(listener) ?? 0) / limit;
      if (full > 0.8) say("bad", `The accept queue of ${named(listener)} is ${share(full)} full: soon clients are refused`);
    }
    const queued = snapshots.slice(-3);
    if (queued.length === 3 && queued.every((each) => each.total("gunicorn_listener_backlog") > 0)) {
      say("warn", `${plural(now.total("gunicorn_listener_backlog"), "connection")} waiting: no worker is free to accept`);
    }
    if (load > 0.8) say("warn", `Saturated: ${share(load)} of the capacity is in use`);
    if (now.has(EXPORTER + "redis_up") && now.total(EXPORTER + "redis_up") === 0) say("warn", "Redis does not answer the exporter; requests do not notice");
    for (const event of events) say(event.severity, `${event.text} (${event.times > 1 ? `${event.times} times, last ` : ""}at ${event.when})`);
    return [...found.filter((each) => each.severity === "bad"), ...found.filter((each) => each.severity !== "bad")];
  }

  // By endpoint, what came since `base`; since the start without one.
  function compared(now, base) {
    const list = [];
    for (const [key, traffic] of now.endpoints) {
      const before = base?.endpoints.get(key);
      // It was among the busiest then, or nobody knows how much of it is new.
      if (base?.left && !before) continue;
      const rest = traffic.minus(before);
      if (rest.requests > 0) list.push(Object.assign(rest, { method: traffic.method, endpoint: traffic.endpoint }));
    }
    return list;
  }

  // ---------------------------------------------------------------- showing

  let announced = "";
  // `kind` is what this is about without its numbers: only when that changes, it is read aloud.
  function announce(severity, headline, others, summary, kind) {
    level($("verdict"), severity);
    write($("headline"), headline);
    rows($("problems"), others.slice(0, 8), () => make("li"), write);
    write($("summary"), summary);
    document.title = `${headline} · Gunicorn`;
    if (announced !== kind) write($("announcement"), [headline, ...others].join(". "));
    announced = kind;
  }

  function showVerdict(found, now, base) {
    const summary = summarised(now, base);
    const kind = found.map((problem) => problem.text.replace(/[\d.,<>]+/g, "")).join();
    if (!found.length) announce("good", "Healthy", [], summary, "healthy");
    else announce(found[0].severity, found[0].text, found.slice(1).map((problem) => problem.text), summary, kind);
  }

  function summarised(now, base) {
    const serving = plural(alive(now), "worker");
    if (!base) return serving;
    const recent = now.all.minus(base.all);
    if (!recent.requests) return `${serving}, no requests`;
    const failed = recent.failed ? `${share(recent.failed / recent.requests)} errors` : "no errors";
    const pace = short(recent.requests / ((now.at - base.at) / 1000));
    return `${serving}, ${pace} requests a second, 95 % of them within ${duration(recent.duration.quantile(0.95))}, ${failed}`;
  }

  function showTiles(now, base, last, load) {
    const span = base ? Math.round((now.at - base.at) / 1000) : 0;
    write($("window"), base ? `over the last ${span >= 58 ? "minute" : `${span} s`}` : "measuring");
    const waiting = now.total("gunicorn_listener_backlog") + now.total(WORKER + "pool_queue_length");
    const progress = now.total(WORKER + "requests_in_progress");
    if (last && last.at < now.at) {
      const step = now.all.minus(last.all), seconds = (now.at - last.at) / 1000;
      tiles.rate.push(now.at, step.requests / seconds, 1);
      tiles.errors.push(now.at, step.requests ? step.failed / step.requests : null, 0.02);
      tiles.latency.push(now.at, step.duration.quantile(0.95), 0.01);
      tiles.saturation.push(now.at, saturation(now, last, [now]), 1);
      tiles.waiting.push(now.at, waiting, 4);
      tiles.progress.push(now.at, progress, 4);
    }
    tiles.waiting.show(count(waiting), `peak ${count(tiles.waiting.peak)}`, waiting ? "warn" : "");
    tiles.progress.show(count(progress), `peak ${count(tiles.progress.peak)}`);
    tiles.saturation.show(share(load), load === null ? "" : `peak ${share(tiles.saturation.peak)}`, load > 0.95 ? "bad" : load > 0.8 ? "warn" : "");
    if (!base) return;
    const recent = now.all.minus(base.all);
    const failing = recent.requests ? recent.failed / recent.requests : null;
    tiles.rate.show(`${short(recent.requests / ((now.at - base.at) / 1000))} /s`, `peak ${short(tiles.rate.peak)} /s`);
    tiles.errors.show(share(failing), `${count(recent.failed)} of ${count(recent.requests)}`, failing >= 0.05 ? "bad" : failing >= 0.01 ? "warn" : "");
    tiles.latency.show(duration(recent.duration.quantile(0.95)), `p50 ${duration(recent.duration.quantile(0.5))}, p99 ${duration(recent.duration.quantile(0.99))}`);
  }

  const STATES = ["idle", "busy", "booting", "draining"];
  function showWorkers(now, base) {
    const states = now.of("gunicorn_workers");
    const total = sum(states);
    write($("configured"), `${count(total)} alive, ${count(now.total("gunicorn_workers_configured"))} configured`);
    rows($("states-bar"), STATES, () => make("i"), (node, state) => {
      node.className = state;
      node.hidden = !states.get(state);
      node.style.width = `${total ? (states.get(state) ?? 0) / total * 100 : 0}%`;
    });
    rows($("states"), STATES, () => make("div", { children: [make("dt"), make("dd")] }), (node, state) => {
      node.className = state;
      write(node.firstElementChild, state);
      write(node.lastElementChild, count(states.get(state) ?? 0));
    });
    const started = now.of(WORKER + "start_time_seconds");
    const ids = [...started.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    // Of several instances without a label of their own, workers of one number are added up.
    const merged = total > ids.length;
    const shown = merged ? [] : ids.slice(0, MOST_ROWS);
    $("workers-box").hidden = !shown.length;
    write($("workers-note"), merged ? "Workers of several instances, added up." : ids.length > shown.length ? `${count(shown.length)} of ${count(ids.length)} workers are shown.` : "");
    const memory = now.of(now.has(WORKER + "memory_bytes") ? WORKER + "memory_bytes" : WORKER + "memory_pss_bytes");
    const seconds = base ? (now.at - base.at) / 1000 : 0;
    const used = (name, id) => base ? grown(now.of(WORKER + name).get(id) ?? 0, base.of(WORKER + name).get(id)) / seconds : null;
    const create = () => make("tr", { children: [make("th", { scope: "row" }), make("td", { children: [make("span"), makeBar()] }), ...[1, 2, 3, 4].map(() => make("td"))] });
    rows($("workers"), shown, create, (row, id) => {
      const [name, busy, progress, cpu, size, up] = row.children;
      const ratio = used("busy_seconds_total", id);
      write(name, id);
      write(busy.firstElementChild, share(ratio === null ? null : Math.min(1, ratio)));
      bar(busy.lastElementChild, ratio);
      write(progress, count(now.of(WORKER + "requests_in_progress").get(id) ?? 0));
      write(cpu, share(used("cpu_seconds_total", id)));
      write(size, memory.has(id) ? bytes(memory.get(id)) : NONE);
      write(up, age(Date.now() / 1000 - started.get(id)));
    });
  }

  function showSaturation(now, base) {
    const list = [];
    const workers = alive(now);
    if (base && workers) {
      const busy = rate(WORKER + "busy_seconds_total", now, base) / workers;
      list.push(["Workers busy", share(busy), busy]);
    }
    const of = (name, used, limit) => list.push([name, `${count(used)} of ${count(limit)}`, limit ? used / limit : 0]);
    if (now.total(WORKER + "threads")) {
      of("Threads busy", now.total(WORKER + "threads_busy"), now.total(WORKER + "threads"));
      list.push(["Connections waiting for a thread", count(now.total(WORKER + "pool_queue_length")), null]);
      if (base) list.push(["Wait for a thread, p95", duration(now.poolWait.minus(base.poolWait).quantile(0.95)), null]);
    }
    if (now.total(WORKER + "connections_limit")) of("Connections", now.total(WORKER + "connections"), now.total(WORKER + "connections_limit"));
    else if (now.has(WORKER + "connections")) list.push(["Connections", count(now.total(WORKER + "connections")), null]);
    if (now.has("gunicorn_websocket_open")) list.push(["Websockets open", count(now.total("gunicorn_websocket_open")), null]);
    for (const [listener, queued] of now.of("gunicorn_listener_backlog")) {
      of(`Accept queue of ${named(listener)}`, queued, now.of("gunicorn_listener_backlog_limit").get(listener) ?? 0);
    }
    const create = () => make("tr", { children: [make("th", { scope: "row" }), make("td"), make("td", { children: [makeBar()] })] });
    rows($("saturation"), list.slice(0, MOST_ROWS), create, (row, [name, text, ratio]) => {
      write(row.children[0], name);
      write(row.children[1], text);
      row.children[2].firstElementChild.hidden = ratio === null;
      bar(row.children[2].firstElementChild, ratio);
    });
    const exits = now.of(WORKER + "exits_total");
    const facts = [
      ["Workers started", count(now.total("gunicorn_workers_spawned_total"))],
      ["Reloads", count(now.total("gunicorn_master_reloads_total"))],
      ...[...exits].filter(([, value]) => value > 0).map(([reason, value]) => [`Exits: ${reason.replaceAll("_", " ")}`, count(value)]),
    ];
    rows($("life"), facts, () => make("div", { children: [make("dt"), make("dd")] }), (node, [name, text]) => {
      write(node.firstElementChild, name);
      write(node.lastElementChild, text);
    });
  }

  const each = (size, row) => size ? `${bytes(size / row.requests)} each` : "";
  const COLUMNS = [
    { name: "endpoint", title: "Endpoint", key: (row) => row.endpoint },
    { name: "requests", title: "Requests", key: (row) => row.requests, text: (row, seconds) => [count(row.requests), seconds ? `${short(row.requests / seconds)} /s` : ""] },
    { name: "p50", title: "p50", key: (row) => row.p50 ?? 0, text: (row) => [duration(row.p50)] },
    { name: "p95", title: "p95", key: (row) => row.p95 ?? 0, text: (row) => [duration(row.p95)] },
    { name: "p99", title: "p99", key: (row) => row.p99 ?? 0, text: (row) => [duration(row.p99)] },
    { name: "refused", title: "4xx", key: (row) => row.refused, text: (row) => [count(row.refused), row.refused ? share(row.refused / row.requests) : ""] },
    { name: "failed", title: "5xx", key: (row) => row.failed, text: (row) => [count(row.failed), row.failed ? share(row.failed / row.requests) : ""], level: (row) => row.failed ? (row.failed / row.requests >= 0.05 ? "bad" : "warn") : "" },
    { name: "received", title: "Received", key: (row) => row.received, text: (row) => [bytes(row.received), each(row.received, row)], value: (row) => row.received },
    { name: "sent", title: "Sent", key: (row) => row.sent, text: (row) => [bytes(row.sent), each(row.sent, row)], value: (row) => row.sent },
  ];

  function makeColumns() {
    for (const column of COLUMNS) {
      const button = make("button", { type: "button", text: column.title });
      button.addEventListener("click", () => {
        const again = sorting.column === column.name;
        sorting = { column: column.name, ascending: again ? !sorting.ascending : column.name === "endpoint" };
        show();
      });
      column.header = make("th", { scope: "col", role: "columnheader", children: [button] });
      $("columns").append(column.header);
    }
  }

  function makeEndpointRow() {
    const name = make("th", { scope: "row", role: "rowheader", children: [make("span", { class: "method" }), make("span")] });
    const cells = COLUMNS.slice(1).map((column) => make("td", { role: "cell", class: "cell", "data-label": column.title, children: [make("data"), make("span", { class: "sub" })] }));
    return make("tr", { role: "row", children: [name, ...cells] });
  }

  function showEndpoints(now, base) {
    for (const column of COLUMNS) {
      if (column.name === sorting.column) column.header.setAttribute("aria-sort", sorting.ascending ? "ascending" : "descending");
      else column.header.removeAttribute("aria-sort");
    }
    const list = period === "start" ? compared(now) : base ? compared(now, base) : [];
    for (const row of list) for (const [name, part] of [["p50", 0.5], ["p95", 0.95], ["p99", 0.99]]) row[name] = row.duration.quantile(part);
    const { key } = COLUMNS.find((column) => column.name === sorting.column);
    const order = sorting.ascending ? 1 : -1;
    const text = (row) => `${row.endpoint} ${row.method}`;
    list.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return x < y ? -order : x > y ? order : text(a) < text(b) ? -1 : 1;
    });
    const seconds = period === "start" || !base ? 0 : (now.at - base.at) / 1000;
    rows($("endpoints"), list.slice(0, MOST_ROWS), makeEndpointRow, (row, item) => {
      const [method, endpoint] = row.firstElementChild.children;
      write(method, item.method);
      write(endpoint, named(item.endpoint));
      COLUMNS.slice(1).forEach((column, index) => {
        const cell = row.children[index + 1];
        const [figure, sub = ""] = column.text(item, seconds);
        write(cell.firstElementChild, figure);
        cell.firstElementChild.value = String((column.value ?? column.key)(item));
        write(cell.lastElementChild, sub);
        cell.classList.toggle("zero", !column.key(item));
        level(cell, column.level?.(item));
      });
    });
    const notes = [];
    if (!list.length) notes.push(period === "start" ? "No request yet." : base ? "No request in the last minute." : "Measuring.");
    if (list.length > MOST_ROWS) notes.push(`The first ${MOST_ROWS} of ${count(list.length)} endpoints are shown; the others are in the totals above.`);
    if (now.left) notes.push(`There are ${count(now.left)} more endpoints, which had the fewest requests: see /metrics.`);
    const dropped = now.total(EXPORTER + "dropped_series_total");
    if (dropped) notes.push(`The cap of series was reached: ${count(dropped)} observations count as __other__.`);
    write($("endpoints-note"), notes.join(" "));
  }

  function showFailures(now, base) {
    write($("failures-period"), period === "start" ? "since start" : "in the last minute");
    const list = [];
    if (period === "start" || base) {
      for (const [key, value] of now.failures) {
        const before = period === "start" ? undefined : base.failures.get(key);
        if (period !== "start" && base.cutFailures && before === undefined) continue;
        const more = grown(value, before);
        if (more > 0) list.push([...JSON.parse(key), more]);
      }
    }
    $("failures-table").hidden = !list.length;
    list.sort((a, b) => b[3] - a[3] || (a[0] < b[0] ? -1 : 1));
    const create = () => make("tr", { children: [make("th", { scope: "row" }), make("td"), make("td", { class: "number" })] });
    rows($("failures"), list.slice(0, MOST_ROWS), create, (row, [what, method, where, times]) => {
      write(row.children[0], named(what));
      write(row.children[1], `${method} ${named(where)}`.trim());
      write(row.children[2], count(times));
    });
    write($("failures-note"), list.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${count(list.length)} are shown.` : list.length ? "" : "None.");
  }

  function showAbout(now) {
    const several = (name) => [...new Set(now.info.map((labels) => labels[name] ?? NONE))];
    const of = (name) => several(name).map(named).join(", ");
    const started = now.of("gunicorn_master_start_time_seconds");
    const oldest = Math.min(...started.values());
    const about = [of("worker_class").replaceAll("gunicorn_prometheus_exporter.", ""), `Gunicorn ${of("gunicorn_version")}`, `Python ${of("python_version")}`];
    if (Number.isFinite(oldest) && alive(now)) about.push(`up ${age(Date.now() / 1000 - oldest)}`);
    write($("about"), now.info.length ? about.join(" · ") : "");
    write($("exporter"), now.info.length ? `gunicorn-prometheus-exporter ${of("version")}, stored in ${of("storage")}.` : "");
  }

  let current = null;
  function show() {
    if (!current) return;
    const base = earlier(current);
    const load = saturation(current, base, snapshots);
    showAbout(current);
    showVerdict(problems(current, base, load), current, base);
    showWorkers(current, base);
    showSaturation(current, base);
    showEndpoints(current, base);
    showFailures(current, base);
    return { base, load };
  }

  // ---------------------------------------------------------------- asking

  let timer = 0, asking = null, isPaused = false, lostAt = null;

  // What is to be said instead of an answer.
  class Refusal extends Error {}
  const reached = (answer) => answer.catch(() => { throw new Refusal("No answer from Gunicorn"); });
  const REFUSALS = {
    401: "The exporter asks who you are: reload the page to sign in",
    403: "The exporter does not let you in",
    429: "The exporter is asked too often",
  };

  async function ask() {
    asking = new AbortController();
    const patience = setTimeout(() => asking.abort(), PATIENCE);
    try {
      const response = await reached(fetch(SOURCE, { signal: asking.signal, cache: "no-store", headers: { Accept: "text/plain;version=0.0.4" } }));
      if (!response.ok) throw new Refusal(REFUSALS[response.status] ?? `The exporter answers with an error: ${response.status}`);
      const text = await reached(response.text());
      if (text.length > MOST_BYTES) throw new Refusal("There are too many metrics for this page");
      return text;
    } finally {
      clearTimeout(patience);
      asking = null;
    }
  }

  async function poll() {
    clearTimeout(timer);
    if (asking || isPaused || document.hidden) return;
    const began = performance.now();
    document.body.toggleAttribute("data-asking", true);
    try {
      const text = await ask();
      if (isPaused || document.hidden) return;
      current = Snapshot.of(text, performance.now());
      const last = remember(current);
      notice(current, last);
      lostAt = null;
      const { base, load } = show();
      showTiles(current, base, last, load);
      freshness(false, `Updated ${clock(new Date())}`);
    } catch (error) {
      if (isPaused || document.hidden) return;
      lostAt ??= clock(new Date());
      const reason = error instanceof Refusal ? error.message : "This page has a fault of its own; Gunicorn did answer";
      if (!(error instanceof Refusal)) console.error(error);
      announce("bad", `${reason}, since ${lostAt}`, [], current ? "Below is what was known before. Trying again." : "Trying again.", reason);
      freshness(true, `Not updated since ${lostAt}`);
    } finally {
      // A page that takes long to make, or to read, is asked for less often.
      if (!isPaused && !document.hidden) timer = setTimeout(poll, Math.max(POLL, 4 * (performance.now() - began)));
      document.body.toggleAttribute("data-asking", false);
    }
  }

  function freshness(isStale, text) {
    document.body.classList.toggle("stale", isStale);
    $("pulse").classList.toggle("live", !isStale);
    write($("updated"), text);
  }

  function stop() {
    clearTimeout(timer);
    asking?.abort();
    $("pulse").classList.remove("live");
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : poll()));
  $("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    $("pause").setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) return poll();
    stop();
    write($("updated"), `Paused at ${clock(new Date())}`);
  });
  for (const input of document.querySelectorAll("[name=period]")) {
    input.addEventListener("change", () => { period = input.value; show(); });
  }
  write($("host"), location.host);
  makeColumns();
  poll();
})();
