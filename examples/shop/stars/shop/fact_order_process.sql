SELECT order_id, MIN(customer_id) AS customer_id,
       MIN(CASE WHEN type = 'order_placed' THEN created_at END) AS placed_at,
       MIN(CASE WHEN type = 'order_paid' THEN created_at END) AS paid_at,
       MIN(CASE WHEN type = 'order_shipped' THEN created_at END) AS shipped_at,
       1 AS orders
FROM cleansed.shop.events
WHERE order_id IS NOT NULL
GROUP BY order_id
