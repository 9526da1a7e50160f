import { discount } from "./discounts.js";

export const total = (order: Order): number => price(order.item) * order.count * (1 - discount(order.count));

on("order.placed", order => {
	if (price(order.item) === 0) throw new Error(`there is no ${order.item}`);
	log.info("order", { item: order.item, count: order.count });
	return `${order.customer} pays ${total(order).toFixed(2)}`;
});

test("ten pieces are cheaper", t => {
	t.equal(total({ customer: "Ada", item: "tea", count: 1 }), 4);
	t.equal(total({ customer: "Ada", item: "tea", count: 10 }), 36);
});
