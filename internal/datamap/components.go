package datamap

// Components finds the strongly connected components of a directed graph
// (Tarjan, 1972), each before those that lead to it, in time linear in nodes and edges. It keeps its own stack: a
// map may be one chain of tens of thousands of collections.
func Components(next [][]int) [][]int {
	var (
		n       = len(next)
		number  = make([]int, n) // order of the first visit, from 1
		low     = make([]int, n)
		onStack = make([]bool, n)
		stack   []int
		found   [][]int
		count   int
	)
	type frame struct{ node, edge int }
	for root := range n {
		if number[root] != 0 {
			continue
		}
		work := []frame{{node: root}}
		for len(work) > 0 {
			top := &work[len(work)-1]
			v := top.node
			if top.edge == 0 {
				count++
				number[v], low[v] = count, count
				stack, onStack[v] = append(stack, v), true
			}
			if top.edge < len(next[v]) {
				w := next[v][top.edge]
				top.edge++
				if number[w] == 0 {
					work = append(work, frame{node: w})
				} else if onStack[w] {
					low[v] = min(low[v], number[w])
				}
				continue
			}
			work = work[:len(work)-1]
			if len(work) > 0 {
				above := work[len(work)-1].node
				low[above] = min(low[above], low[v])
			}
			if low[v] != number[v] {
				continue
			}
			at := len(stack) - 1
			for stack[at] != v {
				at--
			}
			ring := append([]int(nil), stack[at:]...)
			stack = stack[:at]
			for _, w := range ring {
				onStack[w] = false
			}
			found = append(found, ring)
		}
	}
	return found
}
