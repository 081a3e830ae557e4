// Loads a workflow into the open tab and returns all that the tests of templates look at, once its nodes keep their sizes.
async (workflow) => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const round = (values) => [...values].map((value) => Math.round(value * 10) / 10);
  const element = (node) => document.querySelector(`[data-node-id="${node.id}"]`);
  const TITLE = LiteGraph.NODE_TITLE_HEIGHT;

  // [x, y, width, height] with the title bar: what the page keeps, and what Nodes 2.0 draws where that is larger.
  const boxOf = (node) => {
    const drawn = LiteGraph.vueNodesMode ? element(node) : null;
    const width = Math.max(node.size[0], drawn?.offsetWidth ?? 0);
    const height = Math.max(node.size[1] + TITLE, drawn?.offsetHeight ?? 0);
    return round([node.pos[0], node.pos[1] - TITLE, width, height]);
  };
  const boxes = () => JSON.stringify(app.graph._nodes.map(boxOf));
  const settle = async () => {
    for (let still = 0, before = "", turn = 0; still < 3 && turn < 40; turn++) {
      await pause(100);
      const now = boxes();
      const drawn = !LiteGraph.vueNodesMode || app.graph._nodes.every(element);
      still = drawn && now === before ? still + 1 : 0;
      before = now;
    }
  };

  const prompt = async () => (await app.graphToPrompt()).output;
  const other = (value) => (typeof value === "boolean" ? !value : typeof value === "number" ? value + 1 : `${value}x`);
  // Every widget that a subgraph node shows: whether it is seen, and which inputs of the prompt follow it.
  const promotedBy = async (node, before) => {
    const found = [];
    for (const widget of node.widgets ?? []) {
      if (node.getSlotFromWidget(widget)?.link != null) continue;
      const kept = widget.value;
      widget.value = other(kept);
      const after = await prompt();
      widget.value = kept;
      const follows = Object.keys(before).flatMap((id) =>
        Object.keys({ ...before[id].inputs, ...after[id]?.inputs })
          .filter((name) => JSON.stringify(before[id].inputs[name]) !== JSON.stringify(after[id]?.inputs[name]))
          .map((name) => `${id}.${name}`)
      );
      const label = widget.label ?? widget.name;
      const seen = !LiteGraph.vueNodesMode || element(node).innerText.includes(label);
      found.push({ name: widget.name, label, seen, follows });
    }
    return found;
  };

  // The tab would draw the pictures of the workflow before on nodes of the same number.
  const { $pinia } = document.querySelector("#vue-app").__vue_app__.config.globalProperties;
  $pinia._s.get("nodeOutput").resetAllOutputsAndPreviews();
  await app.loadGraphData(workflow, true, true, app.extensionManager.workflow.activeWorkflow);
  await settle();
  const nodes = app.graph._nodes.map((node) => ({
    id: String(node.id),
    type: node.type,
    title: node.title,
    box: boxOf(node),
    unknown: !LiteGraph.registered_node_types[node.type],
    note: ["Note", "MarkdownNote"].includes(node.type),
  }));
  const links = [...app.graph.links.values()].map((link) => {
    const source = app.graph.getNodeById(link.origin_id);
    const target = app.graph.getNodeById(link.target_id);
    return {
      id: link.id,
      source: String(source.id),
      target: String(target.id),
      start: round(source.getOutputPos(link.origin_slot)),
      end: round(target.getInputPos(link.target_slot)),
    };
  });
  const groups = app.graph._groups.map((group) => ({ title: group.title, box: round([...group.pos, ...group.size]) }));
  const output = await prompt();
  const promoted = {};
  for (const node of app.graph._nodes) {
    if (node.isSubgraphNode?.()) promoted[`${node.id} ${node.title}`] = await promotedBy(node, output);
  }
  return { nodes, links, groups, promoted, prompt: output };
};
