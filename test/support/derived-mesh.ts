import { type KubeObject, ObjectTable } from '#shared/k8s'
import { Graph } from '../../src/istiod-lite/collections/index.ts'
import { type Mesh, type MeshSettings, wireMesh } from '../../src/istiod-lite/mesh/index.ts'
import { meshTypes, type PushType } from '../../src/istiod-lite/push/index.ts'
import { collectObjects } from '../../src/istiod-lite/sources/index.ts'
import { meshSettings } from './mesh-objects.ts'

/** A control plane without its ends: objects are put into its table, and settle when the test says so. */
export class DerivedMesh {
  readonly table: ObjectTable = new ObjectTable()
  readonly graph: Graph = new Graph({ schedule: () => {} })
  readonly mesh: Mesh
  /** As they are pushed. */
  readonly types: readonly PushType[]

  static of(objects: Iterable<KubeObject>, settings: MeshSettings = meshSettings): DerivedMesh {
    const derived = new DerivedMesh(settings)
    derived.hold(objects)
    return derived
  }

  constructor(settings: MeshSettings = meshSettings) {
    const source = {
      subscribe: this.table.subscribe.bind(this.table),
      synced: Promise.resolve(),
      problems: [],
      close: async () => {},
    }
    this.mesh = wireMesh(this.graph, collectObjects(this.graph, source, settings).collections, settings)
    this.types = meshTypes(this.graph, this.mesh)
  }

  /** Exactly these objects. */
  hold(objects: Iterable<KubeObject>): void {
    this.table.replaceAll(objects)
    this.graph.settle()
  }

  /** Everything that leaves it: what is pushed, byte by byte, what is told, and what is to be written. */
  outcome(): unknown {
    return {
      pushed: this.types.map(({ typeUrl, resources }) => [typeUrl, resources.list()]),
      conditions: this.mesh.conditions.list(),
      entryAddresses: this.mesh.entryAddresses.list(),
    }
  }

  /** How often derivations ran since the start: of one node of the graph, or of all. */
  runs(node?: string): number {
    const nodes = this.graph.statistics().filter(({ name }) => node === undefined || name === node)
    if (nodes.length === 0) throw new Error(`there is no ${node}`)
    return nodes.reduce((sum, { runs }) => sum + runs, 0)
  }
}
