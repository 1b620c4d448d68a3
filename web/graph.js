// Nodes by the numbers that the server has for them: "3:7" is node 7 of the subgraph that is node 3.
import { app } from "../../scripts/app.js";

export function rootGraph() {
  return app.rootGraph ?? app.graph;
}

export function nodeOf(number) {
  let graph = rootGraph();
  let node = null;
  for (const part of String(number).split(":")) {
    node = graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

// [number, node] of every node of these classes, those in subgraphs too.
export function nodesOf(...kinds) {
  return within(rootGraph(), kinds, "");
}

function within(graph, kinds, before) {
  return (graph?.nodes ?? []).flatMap((node) => {
    const number = `${before}${node.id}`;
    return kinds.includes(node.comfyClass) ? [[number, node]] : within(node.subgraph, kinds, `${number}:`);
  });
}

export function numberOf(node) {
  return nodesOf(node.comfyClass).find(([, each]) => each === node)?.[0] ?? String(node.id);
}
