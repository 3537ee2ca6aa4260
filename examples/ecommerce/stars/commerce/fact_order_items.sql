SELECT i.id AS item_id, i.order_id, o.status AS order_status, o.customer_id, i.variant_id, o.created_at AS ordered_at,
       i.quantity, i.total AS revenue
FROM cleansed.shop.order_items AS i
JOIN cleansed.shop.orders AS o ON o.id = i.order_id
